import { type Container, isContainerLive } from '../../core/containers/container.ts';
import type { Run } from '../../core/runs/run.ts';
import type { Session } from '../../core/sessions/session.ts';
import { rootOwner } from '../../core/terminals/owners.ts';
import type { Terminal } from '../../core/terminals/terminal.ts';
import {
  busyProgram,
  describeIdle,
  describeRun,
  isActive,
  runLabel,
  ownerName,
  runStatusWord,
  terminalName,
  terminalState,
} from './describe.ts';
import { count, dayKey, formatDay, formatElapsed, formatTime, shortPath } from './format.ts';

/** What a tree row shows: plain data, so that two of them can be compared and only changed ones are drawn again. */
export interface Row {
  /** Stable for the life of the thing that it stands for. */
  readonly id: string;
  readonly kind:
    | 'session'
    | 'run'
    | 'terminal'
    | 'container'
    | 'day'
    | 'more'
    | 'agent'
    | 'task'
    | 'waiting'
    | 'remote'
    | 'containerTask';
  /** The id of the session, run, terminal, container, agent or task; of a day its key; of another orchestrator its address. */
  readonly targetId: string;
  readonly parentId?: string | undefined;
  readonly label: string;
  readonly description: string;
  readonly icon: RowIcon;
  /** Tokens for `when` clauses: what it is, and what can be done with it. */
  readonly context: string;
  readonly expansion: 'none' | 'collapsed' | 'expanded';
  readonly accessibilityLabel: string;
}

export interface RowIcon {
  readonly id: string;
  /** A theme colour's id. The icon and the words tell the state without it. */
  readonly color?: string;
}

/** A tree of rows: the ids of each row's children, with '' for the root. */
export interface RowTree {
  readonly rows: ReadonlyMap<string, Row>;
  readonly children: ReadonlyMap<string, readonly string[]>;
}

export interface SessionRowsInput {
  readonly sessions: readonly Session[];
  readonly terminals: readonly Terminal[];
  /** Active runs and the latest ended ones, newest first. */
  readonly runs: readonly Run[];
  /** Undefined where an orchestrator does not tell of its containers. Their own rows: containerRows.ts. */
  readonly containers?: readonly Container[] | undefined;
  /** In the order in which they were first started; another orchestrator tells of none. */
  readonly containerTaskRows?: readonly Row[];
  /** Program in front, by terminal id. */
  readonly foreground: ReadonlyMap<string, string>;
  readonly now: number;
  readonly home: string;
  /** Nothing spins. */
  readonly isMotionReduced: boolean;
}

export class RowTreeBuilder {
  readonly rows = new Map<string, Row>();
  readonly children = new Map<string, string[]>();

  add(row: Row): void {
    this.rows.set(row.id, row);
    const parent = row.parentId ?? '';
    const siblings = this.children.get(parent);
    if (siblings === undefined) this.children.set(parent, [row.id]);
    else siblings.push(row.id);
  }
}

/** Sessions, and under each its container tasks (oldest first), its runs (newest first) and its terminals (oldest first). */
export function buildSessionRows(input: SessionRowsInput): RowTree {
  const tree = new RowTreeBuilder();
  addSessionRows(tree, input, undefined);
  return tree;
}

export interface RemoteRow {
  readonly name: string;
  readonly address: string;
  readonly connection: 'connecting' | 'connected' | 'disconnected';
}

/** Another orchestrator, and under it its sessions as they were last seen. */
export function buildRemoteRows(remote: RemoteRow, input: SessionRowsInput): RowTree {
  const tree = new RowTreeBuilder();
  const { name, address, connection } = remote;
  const id = `remote:${address}`;
  const state = {
    connecting: 'connecting',
    connected: 'connected',
    disconnected: 'disconnected, trying again',
  }[connection];
  tree.add({
    id,
    kind: 'remote',
    targetId: address,
    label: name,
    description: `${state} · ${shortPath(address, input.home)}`,
    icon: remoteIcon(connection),
    context: connection === 'connected' ? 'remote remoteConnected' : 'remote',
    expansion: 'expanded',
    accessibilityLabel: `Orchestrator ${name}, ${state}, ${address}`,
  });
  addSessionRows(tree, input, id);
  return tree;
}

function remoteIcon(connection: RemoteRow['connection']): RowIcon {
  if (connection === 'connected') return { id: 'remote', color: 'charts.green' };
  return connection === 'connecting'
    ? { id: 'sync' }
    : { id: 'debug-disconnect', color: 'list.warningForeground' };
}

/** Several trees under one root, in order. */
export function joinRows(trees: readonly RowTree[]): RowTree {
  const tree = new RowTreeBuilder();
  for (const { rows } of trees) for (const row of rows.values()) tree.add(row);
  return tree;
}

function addSessionRows(tree: RowTreeBuilder, input: SessionRowsInput, parentId: string | undefined): void {
  for (const session of input.sessions) {
    const runs = input.runs.filter((run) => run.sessionId === session.id);
    const id = `session:${session.id}`;
    const tasks = input.containerTaskRows?.filter((row) => row.parentId === id) ?? [];
    // The executions of a task show through it, and earlier ones in the history.
    const taskIds = new Set<string | undefined>(tasks.map(({ targetId }) => targetId));
    // A run's own terminals show through the run.
    const terminals = input.terminals.filter(
      (terminal) => terminal.sessionId === session.id && terminal.runId === null,
    );
    const containers = input.containers?.filter((container) => container.sessionId === session.id);
    tree.add({ ...sessionRow(session, { runs, terminals, containers }, input), parentId });
    for (const row of tasks) tree.add(row);
    const shown = runs.filter(({ request }) => !taskIds.has(request.containerTaskId));
    for (const run of shown) tree.add(runRow(run, id, 'run', input));
    for (const terminal of terminals) tree.add(terminalRow(terminal, session, input));
  }
}

export interface HistoryRowsInput {
  /** Ended runs, newest first. */
  readonly runs: readonly Run[];
  readonly sessionNames: ReadonlyMap<string, string>;
  readonly hasMore: boolean;
  readonly now: number;
}

/** Ended runs grouped by the day on which they were asked for, and a row that loads more. */
export function buildHistoryRows(input: HistoryRowsInput): RowTree {
  const tree = new RowTreeBuilder();
  const days = Map.groupBy(input.runs, (run) => dayKey(run.createdAt));
  for (const [day, runs] of days) {
    const first = runs[0];
    if (first === undefined) continue;
    const id = `day:${day}`;
    const label = formatDay(first.createdAt, input.now);
    tree.add({
      id,
      kind: 'day',
      targetId: day,
      label,
      description: count(runs.length, 'run'),
      icon: { id: 'calendar' },
      context: 'day',
      // Never by what day it is: a row that changes its mind at midnight would fold under the pointer.
      expansion: 'expanded',
      accessibilityLabel: `${label}, ${count(runs.length, 'run')}`,
    });
    for (const run of runs) {
      const sessionName = input.sessionNames.get(run.sessionId);
      tree.add(runRow(run, id, 'history', { now: input.now, isMotionReduced: true, sessionName }));
    }
  }
  if (input.hasMore) {
    tree.add({
      id: 'more',
      kind: 'more',
      targetId: '',
      label: 'Show more…',
      description: '',
      icon: { id: 'ellipsis' },
      context: 'more',
      expansion: 'none',
      accessibilityLabel: 'Show more runs',
    });
  }
  return tree;
}

interface SessionMembers {
  readonly runs: readonly Run[];
  readonly terminals: readonly Terminal[];
  readonly containers: readonly Container[] | undefined;
}

function sessionRow(
  session: Session,
  { runs, terminals, containers }: SessionMembers,
  input: SessionRowsInput,
): Row {
  const liveContainers = containers?.filter(isContainerLive) ?? [];
  const live = terminals.filter((terminal) => terminal.state !== 'exited');
  const running = runs.filter(isActive);
  const busy = live.some(
    (terminal) => busyProgram(terminal, input.foreground.get(terminal.id)) !== undefined,
  );
  const parts: string[] = [];
  if (session.state === 'closing') parts.push('closing');
  if (live.length > 0) parts.push(count(live.length, 'terminal'));
  if (liveContainers.length > 0) parts.push(count(liveContainers.length, 'container'));
  const [first] = running;
  if (first !== undefined) {
    const elapsed = formatElapsed(input.now - (first.startedAt ?? first.createdAt));
    parts.push(running.length > 1 ? `${running.length} runs · ${elapsed}` : `run ${elapsed}`);
  } else if (!busy && liveContainers.length === 0) {
    const [latest] = runs;
    if (latest !== undefined && latest.endedAt !== undefined && live.length === 0) {
      parts.push(`${runStatusWord[latest.status]} ${formatTime(latest.endedAt, input.now)}`);
    } else {
      parts.push(describeIdle(session.lastActiveAt, input.now));
    }
  }
  if (session.owner !== 'user') parts.push(session.owner);
  const description = parts.join(' · ');
  return {
    id: `session:${session.id}`,
    kind: 'session',
    targetId: session.id,
    label: session.name,
    description,
    icon: sessionIcon(
      running,
      busy || liveContainers.length > 0,
      runs[0],
      live.length > 0,
      input.isMotionReduced,
    ),
    context: containers === undefined ? 'session copyable' : 'session copyable containerHolder',
    // Even while it is empty: VS Code would keep it folded when its first row comes.
    expansion: 'expanded',
    accessibilityLabel: `Session ${session.name}, ${description}`,
  };
}

function sessionIcon(
  running: readonly Run[],
  isBusy: boolean,
  latest: Run | undefined,
  hasTerminals: boolean,
  isMotionReduced: boolean,
): RowIcon {
  if (running.length > 0) return runningIcon(isMotionReduced);
  if (isBusy) return { id: 'circle-filled', color: 'charts.blue' };
  if (latest !== undefined && !hasTerminals) return statusIcon(latest.status, isMotionReduced);
  return { id: 'circle-large-outline' };
}

interface RunRowContext {
  readonly now: number;
  readonly isMotionReduced: boolean;
  readonly sessionName?: string | undefined;
}

function runRow(run: Run, parentId: string, prefix: 'run' | 'history', context: RunRowContext): Row {
  const tokens = ['run', 'copyable'];
  if (isActive(run)) {
    if (!run.isAborting) tokens.push('canAbort');
  } else {
    tokens.push('canRetry', 'endedRun');
  }
  if (run.terminalIds.length > 0) tokens.push('runTerminal', 'hasOutput');
  if (run.taskId !== undefined) tokens.push('hasOutput');
  const label = runLabel(run);
  const session = context.sessionName === undefined ? [] : [context.sessionName];
  const description = [describeRun(run, context.now), ...session].join(' · ');
  return {
    id: `${prefix}:${run.id}`,
    kind: 'run',
    targetId: run.id,
    parentId,
    label,
    description,
    icon: statusIcon(run.status, context.isMotionReduced),
    context: tokens.join(' '),
    expansion: 'none',
    accessibilityLabel: `Run ${label}, ${runStatusWord[run.status]}, ${description}`,
  };
}

function terminalRow(terminal: Terminal, session: Session, input: SessionRowsInput): Row {
  const foreground = input.foreground.get(terminal.id);
  const state = terminalState(terminal, foreground, input.now);
  // The session's own folder goes without saying.
  const where = terminal.cwd === session.cwd ? [] : [shortPath(terminal.cwd, input.home)];
  const owner = terminal.managedBy === null ? [] : [terminal.managedBy];
  const isEnded = terminal.state === 'exited';
  const label = terminalName(terminal);
  // Who is named by the label already is not named twice.
  const above = owner
    .map((id) => ownerName(id).split(':'))
    .map((levels) => (levels.at(-1) === label ? levels.slice(0, -1) : levels).join(':'));
  const description = [state, ...above.filter((id) => id !== ''), ...where].join(' · ');
  return {
    id: `terminal:${terminal.id}`,
    kind: 'terminal',
    targetId: terminal.id,
    parentId: `session:${terminal.sessionId}`,
    label,
    description,
    icon: terminalIcon(terminal),
    context: `terminal copyable ${isEnded ? 'endedTerminal' : 'canKill canOpenInEditor'}${
      isEnded || terminal.managedBy === null ? '' : ' owned'
    }`,
    expansion: 'none',
    accessibilityLabel: `Terminal ${label}, ${[state, ...owner, ...where].join(' · ')}`,
  };
}

/** A person's terminal, an agent's, or one that has ended. */
export function terminalIcon(terminal: Terminal): RowIcon {
  if (terminal.state === 'exited') {
    const code = terminal.exit?.exitCode;
    return typeof code === 'number' && code !== 0
      ? { id: 'error', color: 'list.warningForeground' }
      : { id: 'circle-slash', color: 'disabledForeground' };
  }
  return terminal.managedBy === null
    ? { id: 'terminal' }
    : { id: 'robot', color: ownerColor(terminal.managedBy) };
}

/** Those that can be seen and told apart in every theme: plain blue is lost on black, and red means a failure. */
const ownerColors = ['Magenta', 'Cyan', 'Green', 'Yellow', 'BrightMagenta', 'BrightCyan', 'BrightBlue'];

/** The same for an agent and all agents below it, in every window. The row has the owner's name too. */
function ownerColor(owner: string): string {
  let hash = 0;
  for (const character of rootOwner(owner)) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) >>> 0;
  return `terminal.ansi${ownerColors[hash % ownerColors.length] ?? 'Magenta'}`;
}

function runningIcon(isMotionReduced: boolean): RowIcon {
  return { id: isMotionReduced ? 'sync' : 'loading~spin' };
}

/** Icon of how far a run, or a task, is; the row's words say the same. */
export function statusIcon(status: Run['status'], isMotionReduced: boolean): RowIcon {
  switch (status) {
    case 'queued':
      return { id: 'circle-outline' };
    case 'running':
      return runningIcon(isMotionReduced);
    case 'succeeded':
      return { id: 'pass', color: 'testing.iconPassed' };
    case 'failed':
      return { id: 'error', color: 'testing.iconFailed' };
    case 'cancelled':
      return { id: 'circle-slash', color: 'disabledForeground' };
    case 'timed_out':
      return { id: 'watch', color: 'testing.iconErrored' };
  }
}

export const emptyRows: RowTree = { rows: new Map(), children: new Map() };
