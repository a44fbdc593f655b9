import { type Disposable, DisposableStore, toDisposable } from '../../base/disposable.ts';
import { Emitter } from '../../base/emitter.ts';
import type { Logger } from '../../base/logger.ts';
import type { LiveOrchestrator } from '../../core/liveOrchestrator.ts';
import type { Run } from '../../core/runs/run.ts';
import type { Terminal } from '../../core/terminals/terminal.ts';
import { containerTaskRow, type TaskWithRun } from './containerTaskRows.ts';
import type { SessionRowsInput } from './rows.ts';
import { busyProgram, isActive } from './describe.ts';

export interface LiveModelOptions {
  readonly orchestrator: LiveOrchestrator;
  readonly logger: Logger;
  readonly home: string;
  readonly isMotionReduced: () => boolean;
  /** Somebody looks: only then time ticks in the rows and programs in front are asked for. */
  readonly isWatched: () => boolean;
}

/** Ended runs that a session shows; the others are in the history. */
const recentRunsPerSession = 5;
/** Ten changes of the rows a second at most. */
const changeIntervalMs = 100;
const tickMs = 1_000;
const foregroundPollMs = 2_000;

/** What the sessions tree, the status bar and the tabs' titles are made of, with changes gathered in time. */
export class LiveModel implements Disposable {
  private readonly options: LiveModelOptions;
  private readonly resources = new DisposableStore();
  private readonly changed = new Emitter<void>();
  private readonly recent = new Map<string, Run[]>();
  private changeTimer: NodeJS.Timeout | undefined;
  private lastChangeAt = 0;
  private _foreground: ReadonlyMap<string, string> = new Map();

  readonly onDidChange = this.changed.event;

  constructor(options: LiveModelOptions) {
    this.options = options;
    const { orchestrator } = options;
    this.resources.add(
      orchestrator.runs.onDidChange((run) => {
        this.noteRun(run);
        this.scheduleChange();
      }),
    );
    this.resources.add(
      orchestrator.events.onDidAppend(({ type, sessionId }) => {
        if (type === 'run.removed') {
          if (sessionId === undefined) this.recent.clear();
          else this.recent.delete(sessionId);
        }
        // A run's own reports have come by runs.onDidChange.
        if (/^(session|terminal|container|processHost)\.|^(run|container_task)\.removed$/.test(type))
          this.scheduleChange();
      }),
    );
    const { containerTasks } = orchestrator;
    if (containerTasks !== undefined) {
      this.resources.add(containerTasks.onDidChange(() => this.scheduleChange()));
    }
    const isTicking = (): boolean =>
      orchestrator.runs.active().length > 0 ||
      (containerTasks?.list().some(({ state }) => state === 'waiting') ?? false);
    const tick = setInterval(() => {
      if (options.isWatched() && isTicking()) this.scheduleChange();
    }, tickMs);
    const poll = setInterval(() => void this.refreshForeground(), foregroundPollMs);
    this.resources.add(
      toDisposable(() => {
        clearInterval(tick);
        clearInterval(poll);
        clearTimeout(this.changeTimer);
      }),
    );
  }

  /** Program in front, by terminal id: as of the last look. */
  get foreground(): ReadonlyMap<string, string> {
    return this._foreground;
  }

  rowsInput(): SessionRowsInput {
    const { orchestrator, home, isMotionReduced } = this.options;
    const sessions = orchestrator.sessions.list();
    const context = { now: Date.now(), isMotionReduced: isMotionReduced() };
    return {
      sessions,
      terminals: orchestrator.terminals.list(),
      runs: sessions.flatMap((session) => this.runsOf(session.id)),
      containers: orchestrator.containers?.list(),
      containerTaskRows: this.containerTasks().map((entry) => containerTaskRow(entry, context)),
      foreground: this._foreground,
      home,
      ...context,
    };
  }

  /** Ended ones too, until they are removed. */
  containerTasks(): readonly TaskWithRun[] {
    const { containerTasks, runs } = this.options.orchestrator;
    return (containerTasks?.list() ?? []).map((task) => ({
      task,
      run: task.runId === undefined ? undefined : runs.find(task.runId),
    }));
  }

  /** Asks what runs in front, e.g. before a question about closing. */
  async refreshForeground(isForced = false): Promise<void> {
    const { orchestrator, logger, isWatched } = this.options;
    if (!isForced && !isWatched()) return;
    if (!orchestrator.terminals.list().some(({ state }) => state !== 'exited')) return;
    try {
      const found = await orchestrator.foregroundPrograms();
      if (sameEntries(found, this._foreground)) return;
      this._foreground = found;
      this.scheduleChange();
    } catch (error) {
      logger.debug('the programs in front are not known', error);
    }
  }

  /** Programs in front as of now, for a question that depends on them. */
  async busyPrograms(terminals: readonly Terminal[]): Promise<string[]> {
    await this.refreshForeground(true);
    return terminals.flatMap((terminal) => busyProgram(terminal, this._foreground.get(terminal.id)) ?? []);
  }

  dispose(): void {
    this.resources.dispose();
    this.changed.dispose();
  }

  private runsOf(sessionId: string): readonly Run[] {
    let runs = this.recent.get(sessionId);
    if (runs === undefined) {
      const { orchestrator } = this.options;
      const active = orchestrator.runs.active().filter((run) => run.sessionId === sessionId);
      const listed = orchestrator.runs.list({ sessionId, limit: recentRunsPerSession + active.length });
      runs = newest([...active, ...listed.filter(({ id }) => !active.some((run) => run.id === id))]);
      this.recent.set(sessionId, runs);
    }
    return runs;
  }

  private noteRun(run: Run): void {
    const runs = this.recent.get(run.sessionId);
    if (runs === undefined) return;
    const others = runs.filter(({ id }) => id !== run.id);
    this.recent.set(run.sessionId, newest([run, ...others]));
  }

  private scheduleChange(): void {
    if (this.changeTimer !== undefined) return;
    const delay = Math.max(0, this.lastChangeAt + changeIntervalMs - Date.now());
    this.changeTimer = setTimeout(() => {
      this.changeTimer = undefined;
      this.lastChangeAt = Date.now();
      this.changed.fire();
    }, delay);
  }
}

/** Newest first; every active one, and the latest ended ones. Run ids grow with time. */
function newest(runs: readonly Run[]): Run[] {
  const sorted = runs.toSorted((a, b) => (a.id < b.id ? 1 : -1));
  let ended = 0;
  return sorted.filter((run) => isActive(run) || ++ended <= recentRunsPerSession);
}

function sameEntries(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value);
}
