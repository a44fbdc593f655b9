import type { RunOptions } from '../../../src/protocol/runOptions.ts';
import { taskLogLimit } from '../../../src/protocol/runPanel.ts';
import type {
  HistoryEntry,
  HostMessage,
  RunView,
  SessionChoice,
  StepView,
  TaskLogEntry,
} from '../../../src/protocol/runPanel.ts';
import { firstLineOf, plural, spokenDuration } from './format.ts';

/** All that the panel shows, but for output. Never changed in place: who compares by identity sees what changed. */
export interface PanelState {
  /** False until the first snapshot came. */
  readonly isReady: boolean;
  /** Add to this browser's clock to get the host's. */
  readonly clockOffset: number;
  readonly run: RunView | null;
  readonly history: readonly HistoryEntry[];
  readonly sessions: readonly SessionChoice[];
  readonly banner: string | undefined;
  /** Why nothing can be run from here. */
  readonly blocked: string | undefined;
  readonly isConnected: boolean;
  readonly connectionMessage: string | undefined;
  readonly problem: Problem | undefined;
  /** Steps that the person opened or folded; the others follow `opensItself`. */
  readonly overrides: ReadonlyMap<number, boolean>;
  /** What the container task has told, in order: the newest. */
  readonly taskLog: readonly TaskLogEntry[];
  /** How many came before these. */
  readonly taskLogOmitted: number;
  /** The run is shown as it was after this event of it; undefined: as it is. */
  readonly at: number | undefined;
  /** What the task box offers; undefined until the host has said so. */
  readonly options: RunOptions | undefined;
}

export interface Problem {
  readonly message: string;
  readonly field: 'task' | 'session' | 'tools' | undefined;
}

export type StateMessage = Exclude<HostMessage, { type: 'output' | 'story' | 'beat' }>;

export const initialState: PanelState = {
  isReady: false,
  clockOffset: 0,
  run: null,
  history: [],
  sessions: [],
  banner: undefined,
  blocked: undefined,
  isConnected: true,
  connectionMessage: undefined,
  problem: undefined,
  overrides: new Map(),
  taskLog: [],
  taskLogOmitted: 0,
  at: undefined,
  options: undefined,
};

/** The state after a message of the host. `receivedAt` is this browser's time in milliseconds. */
export function reduce(state: PanelState, message: StateMessage, receivedAt: number): PanelState {
  switch (message.type) {
    case 'snapshot':
      return {
        ...state,
        isReady: true,
        clockOffset: message.now - receivedAt,
        run: message.run,
        history: message.history,
        sessions: message.sessions,
        banner: message.banner,
        blocked: message.blocked,
        // A snapshot comes from a core that answers, or with a banner that says why none does.
        isConnected: true,
        connectionMessage: undefined,
        problem: undefined,
        taskLog: keepsRun(state, message.run) ? state.taskLog : [],
        taskLogOmitted: keepsRun(state, message.run) ? state.taskLogOmitted : 0,
        overrides: keepsRun(state, message.run) ? state.overrides : new Map(),
        at: undefined,
      };
    case 'run':
      return {
        ...state,
        at: message.at,
        clockOffset: message.now - receivedAt,
        run: message.run,
        problem: keepsRun(state, message.run) ? state.problem : undefined,
        overrides: keepsRun(state, message.run) ? state.overrides : new Map(),
      };
    case 'taskLog':
      return addToTaskLog(state, message);
    case 'history':
      return { ...state, history: message.history };
    case 'sessions':
      return { ...state, sessions: message.sessions };
    case 'problem':
      return { ...state, problem: { message: message.message, field: message.field } };
    case 'options':
      return { ...state, options: message.options };
    case 'connection':
      return { ...state, isConnected: message.isConnected, connectionMessage: message.message };
  }
}

function addToTaskLog(state: PanelState, message: Extract<HostMessage, { type: 'taskLog' }>): PanelState {
  const known = message.isReset ? [] : state.taskLog;
  const all = [...known, ...message.entries];
  // What was skipped lies between what was known and what came: what is shown has no hole.
  const shown = message.omitted > 0 ? message.entries : all.slice(-taskLogLimit);
  const before = message.isReset ? 0 : state.taskLogOmitted;
  return {
    ...state,
    taskLog: shown,
    taskLogOmitted: before + message.omitted + all.length - shown.length,
  };
}

/** A container task shows its own story; the step is there where its program prints into a terminal. */
export function showsSteps(run: RunView): boolean {
  if (run.hasStory) return false;
  return run.containerTask === undefined || run.steps.some((step) => step.terminalId !== undefined);
}

/** Before the first snapshot the overrides come from the saved state, which was checked against the run then. */
const keepsRun = (state: PanelState, run: RunView | null): boolean =>
  !state.isReady || state.run?.id === run?.id;

export function isActive(run: RunView): boolean {
  return run.status === 'queued' || run.status === 'running';
}

export const isFailure = (status: StepView['status']): boolean =>
  status === 'failed' || status === 'timed_out';

/** The newest output is visible without a click: the step that runs, the one that failed, else the last that ran. */
export function opensItself(run: RunView, step: StepView): boolean {
  if (step.status === 'running' || isFailure(step.status)) return true;
  if (run.steps.some((other) => other.status === 'running' || isFailure(other.status))) return false;
  return !isActive(run) && run.steps.findLast(hasStarted)?.index === step.index;
}

export const hasStarted = (step: StepView): boolean => step.status !== 'pending' && step.status !== 'skipped';

export function openSteps(state: PanelState): Set<number> {
  const { run, overrides } = state;
  const open = (run?.steps ?? []).filter(
    (step) =>
      hasStarted(step) &&
      run !== null &&
      !run.hasStory &&
      (overrides.get(step.index) ?? opensItself(run, step)),
  );
  return new Set(open.map((step) => step.index));
}

const statusWords: Record<StepView['status'] | RunView['status'], string> = {
  pending: 'pending',
  queued: 'queued',
  running: 'running',
  succeeded: 'succeeded',
  failed: 'failed',
  cancelled: 'cancelled',
  timed_out: 'timed out',
  skipped: 'skipped',
};

export const statusWord = (status: StepView['status'] | RunView['status']): string => statusWords[status];

/** Steps that ran to an end, whatever it was. */
export function finishedSteps(run: RunView): number {
  return run.steps.filter((step) => hasStarted(step) && step.status !== 'running').length;
}

/** What a screen reader is told after a change: states and results, never output. */
export function announcements(before: PanelState, after: PanelState): string[] {
  const said: string[] = [];
  if (before.isReady && before.isConnected !== after.isConnected) {
    said.push(
      after.isConnected
        ? 'Connected again.'
        : (after.connectionMessage ?? 'The connection to the core was lost.'),
    );
  }
  if (after.problem !== undefined && after.problem !== before.problem) said.push(after.problem.message);
  const { run } = after;
  // Who steps through the past reads it: nothing of it happens now.
  if (run === null || !before.isReady || after.at !== undefined || before.at !== undefined) return said;
  const old = before.run?.id === run.id ? before.run : null;
  for (const step of run.steps) {
    const oldStatus = old?.steps.find((other) => other.index === step.index)?.status;
    if (old === null || oldStatus === step.status || step.status === 'pending') continue;
    if (step.status === 'running')
      said.push(`Step ${step.index} of ${run.steps.length} started: ${firstLineOf(step.command)}.`);
    else if (step.status !== 'skipped')
      said.push(`Step ${step.index} ${statusWord(step.status)}${resultOf(step)}.`);
  }
  const lastTold = before.taskLog.at(-1)?.sequence;
  // Of an old log nothing is read out: it was there before.
  const told = lastTold === undefined ? [] : after.taskLog.filter(({ sequence }) => sequence > lastTold);
  for (const { kind, level, text } of told) {
    if (kind === 'result') said.push(`Result: ${text}.`);
    else if (level === 'Error') said.push(`Error: ${text}.`);
  }
  if (run.isAborting && old?.isAborting === false) said.push('Aborting the run.');
  if (run.status !== old?.status) {
    if (run.status === 'running') said.push(`Run started, ${plural(run.steps.length, 'step')}.`);
    else if (run.status !== 'queued') said.push(`Run ${statusWord(run.status)}.`);
  }
  return said;
}

function resultOf(step: StepView): string {
  const exit = step.exitCode === undefined || step.exitCode === null ? '' : `, exit code ${step.exitCode}`;
  return step.durationMs === undefined ? exit : `${exit}, ${spokenDuration(step.durationMs)}`;
}
