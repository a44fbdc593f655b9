import type * as vscode from 'vscode';
import { DisposableStore, type Disposable } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { LiveOrchestrator } from '../../core/liveOrchestrator.ts';
import type { Run } from '../../core/runs/run.ts';
import { type HostMessage, hostMessage, type PanelMessage, panelMessage } from '../../protocol/runPanel.ts';
import type { CoreService, CoreState } from '../core/coreService.ts';
import type { RemotePlaces } from '../remote/remotePlaces.ts';
import { isActive } from '../views/describe.ts';
import { outputSourceOf, readOutput } from './outputSource.ts';
import { panelTitle, toContainerTaskView, toHistoryEntry, toRunView, toSessionChoice } from './runView.ts';
import { StepOutputStream } from './stepOutput.ts';
import { TaskLogStream } from './taskLogStream.ts';

/** Where a run panel lives: a tab of the editor area or the view in the bottom panel. */
export interface PanelSurface {
  readonly webview: vscode.Webview;
  isVisible(): boolean;
  setTitle(title: string): void;
}

/** What the panel asks for that is not its own business. */
export interface PanelActions {
  startRun(request: {
    readonly task: string;
    readonly sessionId: string | undefined;
    readonly engine: string | undefined;
  }): Promise<Run>;
  abortRun(runId: string): Promise<void>;
  retryRun(runId: string, fromStep: number | undefined): Promise<Run>;
  openRun(runId: string): void;
  openTerminal(terminalId: string): Promise<void>;
  copyOutput(runId: string, step: number): Promise<void>;
  openOutput(runId: string, step: number): Promise<void>;
  openTaskEntry(runId: string, sequence: number): Promise<void>;
  openFile(runId: string, path: string, line: number | undefined, column: number | undefined): Promise<void>;
  openLink(url: string): Promise<void>;
}

export interface RunPanelControllerOptions {
  readonly surface: PanelSurface;
  readonly core: CoreService;
  readonly remotes: RemotePlaces;
  readonly actions: PanelActions;
  readonly logger: Logger;
  readonly home: string;
  readonly onDidShowRun: (runId: string) => void;
  /** Offered first by the task box. */
  readonly preferredSession: () => string | undefined;
}

/** Where starting a run would only fail; in the other states the first run starts the core. */
const blockedReason: Readonly<Partial<Record<CoreState['word'], string>>> = {
  untrusted: 'Nothing is run in a workspace that is not trusted.',
  inUse: 'Another window serves the sessions of this workspace, and runs its tasks.',
};

const historyLength = 50;
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
  private readonly streams = new Map<number, StepOutputStream>();
  private taskLog: TaskLogStream | undefined;
  private isReady = false;
  private draft: string | undefined;
  private updateTimer: NodeJS.Timeout | undefined;
  private _runId: string | undefined;

  constructor(options: RunPanelControllerOptions, runId: string | undefined) {
    this.options = options;
    this._runId = runId;
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
      this.isReady = false;
      this.stopStreams();
    } else if (this._runId !== undefined) {
      this.options.onDidShowRun(this._runId);
    }
  }

  dispose(): void {
    this.isReady = false;
    clearTimeout(this.updateTimer);
    this.stopStreams();
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
    this.post({ type: 'run', now: Date.now(), run: this.view(run) });
    for (const [step, stream] of this.streams) this.feed(stream, run, step);
    this.feedTaskLog();
  }

  private sendSnapshot(): void {
    this.adoptOrchestrator();
    this.stopStreams();
    const run = this.currentRun();
    // A run that is not known yet keeps the title that its tab had before the reload.
    if (run !== undefined || this._runId === undefined) this.options.surface.setTitle(panelTitle(run));
    if (!this.isReady) return;
    const { orchestrator } = this;
    const banner = this.banner(run);
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
  }

  /** A sentence where the panel cannot show what it is asked for. */
  private banner(run: Run | undefined): string | undefined {
    const { core, remotes } = this.options;
    if (run !== undefined && this.orchestrator !== core.orchestrator) return undefined;
    const absent = remotes.all.filter(({ orchestrator }) => orchestrator.connection !== 'connected');
    if (this._runId !== undefined && run === undefined && absent.length > 0) {
      return `This run may be one of ${absent.map(({ name }) => name).join(', ')}, which is not connected. It shows here when it is.`;
    }
    const { state } = core;
    switch (state.word) {
      case 'untrusted':
        return 'This workspace is not trusted, so nothing is started here. Trust it with "Orchestrator: Manage Trust".';
      case 'off':
      case 'starting':
        return this._runId === undefined ? undefined : 'Starting…';
      case 'inUse':
        return 'Another window serves the sessions of this workspace. Close it, or use "Orchestrator: Take Over State From Other Window".';
      case 'broken':
        return state.error.message;
      case 'ready':
        return this._runId !== undefined && run === undefined
          ? 'This run is no longer in the history.'
          : undefined;
    }
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
    const runId = this._runId;
    switch (message.type) {
      case 'ready':
        this.isReady = true;
        this.sendSnapshot();
        return;
      case 'run': {
        const { task, sessionId } = message;
        // The one that the box names: that of the run above it.
        const engine = this.currentRun()?.request.engine;
        const run = await actions.startRun({ task, sessionId, engine });
        this.show(run.id);
        return;
      }
      case 'abort':
        await actions.abortRun(message.runId);
        return;
      case 'retry': {
        const run = await actions.retryRun(message.runId, message.fromStep);
        this.show(run.id);
        return;
      }
      case 'openRun':
        actions.openRun(message.runId);
        return;
      case 'openTerminal':
        await actions.openTerminal(message.terminalId);
        return;
      case 'copyOutput':
        if (runId !== undefined) await actions.copyOutput(runId, message.step);
        return;
      case 'openOutput':
        if (runId !== undefined) await actions.openOutput(runId, message.step);
        return;
      case 'openTaskEntry':
        if (runId !== undefined) await actions.openTaskEntry(runId, message.sequence);
        return;
      case 'showStep':
        this.showStep(message.step, message.isOpen);
        return;
      case 'openFile':
        if (runId !== undefined) await actions.openFile(runId, message.path, message.line, message.column);
        return;
      case 'openLink':
        await actions.openLink(message.url);
        return;
    }
  }

  private showStep(step: number, isOpen: boolean): void {
    const known = this.streams.get(step);
    if (!isOpen) {
      known?.stop();
      this.streams.delete(step);
      return;
    }
    const { orchestrator } = this;
    const run = this.currentRun();
    if (known !== undefined || orchestrator === undefined || run === undefined) return;
    const stream = new StepOutputStream({
      step,
      read: (source, from, to) => readOutput(orchestrator, source, from, to),
      post: (message) => this.send(message),
    });
    this.streams.set(step, stream);
    this.feed(stream, run, step);
  }

  private feed(stream: StepOutputStream, run: Run, index: number): void {
    const step = run.steps.find((candidate) => candidate.index === index);
    if (step === undefined) return;
    stream.update(outputSourceOf(run, step), step.status !== 'running' && step.status !== 'pending');
    stream.settled().catch((error: unknown) => {
      this.options.logger.warn(`the output of step ${index} could not be read`, error);
    });
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
    for (const stream of this.streams.values()) stream.stop();
    this.streams.clear();
  }
}

function noticeOf({ stepMode }: Run): string | undefined {
  if (stepMode?.mode !== 'process') return undefined;
  const why = stepMode.reason === null ? '' : `: ${stepMode.reason}`;
  return `Each command runs in a process of its own${why}. Variables and directory changes do not carry over.`;
}
