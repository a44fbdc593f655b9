import type * as vscode from 'vscode';
import { DisposableStore, type Disposable } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { LiveOrchestrator } from '../../core/liveOrchestrator.ts';
import type { Run } from '../../core/runs/run.ts';
import {
  beatMs,
  type HostMessage,
  hostMessage,
  type PanelMessage,
  panelMessage,
} from '../../protocol/runPanel.ts';
import type { CoreService } from '../core/coreService.ts';
import type { RemotePlaces } from '../remote/remotePlaces.ts';
import { isActive } from '../views/describe.ts';
import { blockedReason, panelBanner } from './panelBanner.ts';
import { carryOut, type PanelActions } from './panelRequests.ts';
import { readRunOptions, type RunOptionsSource } from './runOptions.ts';
import { type PastRun, RunStory } from './runStory.ts';
import {
  hasStory,
  panelTitle,
  toContainerTaskView,
  toHistoryEntry,
  toRunView,
  toSessionChoice,
} from './runView.ts';
import { StepStreams } from './stepStreams.ts';
import { TaskLogStream } from './taskLogStream.ts';

/** Where a run panel lives: a tab of the editor area or the view in the bottom panel. */
export interface PanelSurface {
  readonly webview: vscode.Webview;
  isVisible(): boolean;
  setTitle(title: string): void;
}

export interface RunPanelControllerOptions {
  readonly surface: PanelSurface;
  readonly core: CoreService;
  readonly remotes: RemotePlaces;
  readonly actions: PanelActions;
  readonly runOptions: RunOptionsSource;
  readonly logger: Logger;
  readonly home: string;
  readonly onDidShowRun: (runId: string) => void;
  /** Offered first by the task box. */
  readonly preferredSession: () => string | undefined;
}

const historyLength = 200;
const runUpdateMs = 100;

/**
 * The host's side of one run panel: it holds the truth, sends a snapshot when the panel is ready, then what changed.
 * A hidden panel has no page, so nothing is sent until it says again that it is ready.
 */
export class RunPanelController implements Disposable {
  private readonly options: RunPanelControllerOptions;
  private readonly resources = new DisposableStore();
  private coreResources = new DisposableStore();
  private adopted: LiveOrchestrator | undefined;
  private readonly streams: StepStreams;
  private taskLog: TaskLogStream | undefined;
  private story: RunStory | undefined;
  /** The run as it was after the event that the person looks at. */
  private past: PastRun | undefined;
  private beat: NodeJS.Timeout | undefined;
  private isReady = false;
  private draft: string | undefined;
  private updateTimer: NodeJS.Timeout | undefined;
  private _runId: string | undefined;

  constructor(options: RunPanelControllerOptions, runId: string | undefined) {
    this.options = options;
    this._runId = runId;
    this.streams = new StepStreams((message) => this.send(message), options.logger);
    this.resources.add(options.runOptions.onDidChange(() => this.sendOptions()));
    this.resources.add(
      options.surface.webview.onDidReceiveMessage((message: unknown) => void this.receive(message)),
    );
    this.resources.add(options.core.onDidChangeState(() => this.sendSnapshot()));
    this.resources.add(options.remotes.onDidChangeConnections(() => this.sendSnapshot()));
    this.sendSnapshot();
  }

  get runId(): string | undefined {
    return this._runId;
  }

  /** Shows another run, or the empty task box with a text in it. */
  show(runId: string | undefined, draft?: string): void {
    this._runId = runId;
    this.draft = draft;
    this.sendSnapshot();
  }

  /** The page is gone or back; a page that is back says that it is ready. */
  noteVisibility(): void {
    if (!this.options.surface.isVisible()) {
      this.sleep();
    } else if (this._runId !== undefined) {
      this.options.onDidShowRun(this._runId);
    }
  }

  dispose(): void {
    this.sleep();
    clearTimeout(this.updateTimer);
    this.coreResources.dispose();
    this.resources.dispose();
  }

  /** The one that has the run, or the session that is to be offered first. */
  private get orchestrator(): LiveOrchestrator | undefined {
    const { core, remotes, preferredSession } = this.options;
    return remotes.of(this._runId ?? preferredSession() ?? '')?.orchestrator ?? core.orchestrator;
  }

  private adoptOrchestrator(): void {
    const { orchestrator } = this;
    if (orchestrator === this.adopted) return;
    this.adopted = orchestrator;
    this.coreResources.dispose();
    this.coreResources = new DisposableStore();
    if (orchestrator !== undefined) {
      this.coreResources.add(orchestrator.runs.onDidChange((run) => this.noteRun(run)));
      this.coreResources.add(
        orchestrator.events.onDidAppend(({ type, runId }) => {
          // Its log grows, or the task of this run was started again.
          const isOfTask = type === 'container_task.updated' || runId === this._runId;
          if (isOfTask && type.startsWith('container_task.')) this.scheduleRun();
          if (type.startsWith('agent.')) this.sendOptions();
          if (type.startsWith('session.'))
            this.post({ type: 'sessions', sessions: this.sessions(orchestrator) });
          if (type === 'run.removed') this.post({ type: 'history', history: this.history(orchestrator) });
        }),
      );
    }
  }

  private noteRun(run: Run): void {
    if (!this.isReady) return;
    const { orchestrator } = this;
    if (orchestrator !== undefined && !isActive(run)) {
      this.post({ type: 'history', history: this.history(orchestrator) });
    }
    if (run.id === this._runId) this.scheduleRun();
  }

  private scheduleRun(): void {
    // Ten updates a second are more than an eye follows; the last one always comes.
    this.updateTimer ??= setTimeout(() => {
      this.updateTimer = undefined;
      this.sendRun();
    }, runUpdateMs);
  }

  private sendRun(): void {
    const run = this.currentRun();
    if (run === undefined || !this.isReady) return;
    this.options.surface.setTitle(panelTitle(run));
    this.feedStory();
    // Who looks at the past sees what was then.
    if (this.past !== undefined) return;
    this.post({ type: 'run', now: Date.now(), run: this.view(run) });
    this.streams.feed(run);
    this.feedTaskLog();
  }

  private sendOptions(): void {
    if (this.isReady) this.post({ type: 'options', options: readRunOptions(this.options.runOptions) });
  }

  private sendSnapshot(): void {
    this.adoptOrchestrator();
    this.stopStreams();
    const run = this.currentRun();
    // A run that is not known yet keeps the title that its tab had before the reload.
    if (run !== undefined || this._runId === undefined) this.options.surface.setTitle(panelTitle(run));
    if (!this.isReady) return;
    // First: a box that is drawn can be used at once.
    this.sendOptions();
    const { orchestrator } = this;
    const banner = panelBanner({
      ...this.options,
      runId: this._runId,
      run,
      isRemote: this.orchestrator !== this.options.core.orchestrator,
    });
    const blocked = blockedReason[this.options.core.state.word];
    this.post({
      type: 'snapshot',
      now: Date.now(),
      run: run === undefined ? null : this.view(run),
      history: orchestrator === undefined ? [] : this.history(orchestrator),
      sessions: orchestrator === undefined ? [] : this.sessions(orchestrator),
      ...(this.draft === undefined ? {} : { draft: this.draft }),
      ...(banner === undefined ? {} : { banner }),
      ...(blocked === undefined ? {} : { blocked }),
    });
    this.draft = undefined;
    if (run === undefined) return;
    this.options.onDidShowRun(run.id);
    this.openTaskLog(run);
    if (hasStory(run)) this.openStory(run);
  }

  private currentRun(): Run | undefined {
    return this._runId === undefined ? undefined : this.orchestrator?.runs.find(this._runId);
  }

  private view(run: Run): ReturnType<typeof toRunView> {
    const { orchestrator } = this;
    const session = orchestrator?.sessions.find(run.sessionId);
    const terminal = orchestrator?.terminals.find(run.terminalIds[0] ?? '');
    return toRunView({
      run,
      sessionName: session?.name ?? 'closed session',
      shell: terminal?.shell,
      cwd: run.request.cwd ?? terminal?.cwd ?? session?.cwd ?? '',
      home: this.options.home,
      notice: noticeOf(run),
      hasLog: orchestrator?.events.read !== undefined,
      containerTask: orchestrator === undefined ? undefined : toContainerTaskView(run, orchestrator),
    });
  }

  private history(orchestrator: LiveOrchestrator): ReturnType<typeof toHistoryEntry>[] {
    return orchestrator.runs
      .list({ limit: historyLength })
      .map((run) => toHistoryEntry(run, orchestrator.sessions.find(run.sessionId)?.name ?? ''));
  }

  private sessions(orchestrator: LiveOrchestrator): ReturnType<typeof toSessionChoice>[] {
    const preferred = this.options.preferredSession();
    return orchestrator.sessions
      .list()
      .toSorted((a, b) => Number(b.id === preferred) - Number(a.id === preferred))
      .map((session) => toSessionChoice(session, this.options.home));
  }

  private post(message: HostMessage): void {
    if (this.isReady) void this.send(message);
  }

  private async send(message: HostMessage): Promise<boolean> {
    return this.isReady && (await this.options.surface.webview.postMessage(hostMessage.parse(message)));
  }

  private async receive(raw: unknown): Promise<void> {
    const parsed = panelMessage.safeParse(raw);
    if (!parsed.success) {
      this.options.logger.warn('the run panel sent what nobody understands', parsed.error.message);
      return;
    }
    try {
      await this.handle(parsed.data);
    } catch (error) {
      const known = OrchestratorError.from(error);
      this.options.logger.error(`the run panel asked for "${parsed.data.type}": ${known.message}`, error);
      const field =
        known.reason === 'task_empty' ? 'task' : known.reason.startsWith('session_') ? 'session' : undefined;
      this.post({ type: 'problem', message: known.message, ...(field === undefined ? {} : { field }) });
    }
  }

  private async handle(message: PanelMessage): Promise<void> {
    const { actions } = this.options;
    switch (message.type) {
      case 'ready':
        this.isReady = true;
        this.beat ??= setInterval(() => this.post({ type: 'beat' }), beatMs);
        this.sendSnapshot();
        return;
      case 'run': {
        const { task, sessionId, choices = {} } = message;
        const run = await actions.startRun({ task, sessionId, choices });
        this.show(run.id);
        return;
      }
      case 'retry': {
        const run = await actions.retryRun(message.runId, message.fromStep);
        this.show(run.id);
        return;
      }
      case 'showStep':
        this.showStep(message.step, message.isOpen);
        return;
      case 'connect':
        await this.options.runOptions.connect(message.provider);
        return;
      case 'showAt':
        this.showAt(message.at ?? undefined);
        return;
      case 'showFrom':
        if (message.from === null) this.story?.showNewest();
        else this.story?.showFrom(message.from);
        return;
      default:
        await carryOut(actions, this._runId, message);
    }
  }

  private showStep(step: number, isOpen: boolean): void {
    const { orchestrator } = this;
    const run = this.past?.run ?? this.currentRun();
    if (!isOpen) this.streams.close(step);
    else if (orchestrator !== undefined && run !== undefined) this.streams.open(orchestrator, run, step);
  }

  private openStory(run: Run): void {
    const { events } = this.orchestrator ?? {};
    if (this.story !== undefined || events?.read === undefined) return;
    this.story = new RunStory({
      run,
      read: events.read.bind(events),
      post: (message) => this.send(message),
      postRun: (past) => this.sendPast(past),
    });
    this.feedStory();
  }

  private feedStory(): void {
    this.story?.update();
    this.story?.settled().catch((error: unknown) => {
      this.options.logger.warn('the events of a run could not be read', error);
    });
  }

  private showAt(at: number | undefined): void {
    const run = this.currentRun();
    if (run === undefined) return;
    // A run that is told by its output has no story until it is stepped through.
    this.openStory(run);
    this.story?.showAt(at);
  }

  private sendPast(past: PastRun | undefined): void {
    const wasPast = this.past !== undefined;
    this.past = past;
    // Output of steps is shown as far as it was then: the page asks for it anew.
    if (past !== undefined || wasPast) this.streams.stop();
    if (past === undefined && wasPast) this.sendRun();
    // Its clock stands where the run stood, so that durations are those of then.
    if (past !== undefined) this.post({ type: 'run', now: past.time, run: this.view(past.run), at: past.at });
  }

  private openTaskLog(run: Run): void {
    const { events } = this.orchestrator ?? {};
    if (run.request.containerTaskId === undefined || events?.read === undefined) return;
    this.taskLog = new TaskLogStream({
      runId: run.id,
      read: events.read.bind(events),
      post: (message) => this.send(message),
    });
    this.feedTaskLog();
  }

  private feedTaskLog(): void {
    this.taskLog?.update();
    this.taskLog?.settled().catch((error: unknown) => {
      this.options.logger.warn('the log of a container task could not be read', error);
    });
  }

  private stopStreams(): void {
    this.taskLog?.stop();
    this.taskLog = undefined;
    this.story?.stop();
    this.story = undefined;
    this.past = undefined;
    this.streams.stop();
  }

  /** Nobody sees it: it costs nothing. */
  private sleep(): void {
    this.isReady = false;
    clearInterval(this.beat);
    this.beat = undefined;
    this.stopStreams();
  }
}

function noticeOf({ stepMode }: Run): string | undefined {
  if (stepMode?.mode !== 'process') return undefined;
  const why = stepMode.reason === null ? '' : `: ${stepMode.reason}`;
  return `Each command runs in a process of its own${why}. Variables and directory changes do not carry over.`;
}
