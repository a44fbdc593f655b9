import type { Run } from '../../core/runs/run.ts';
import type { Terminal } from '../../core/terminals/terminal.ts';
import { nameLimit } from '../../core/text.ts';
import { baseName, formatAge, formatDuration, formatElapsed, formatTime, oneLine } from './format.ts';

/** What rows, quick picks and notifications say about a run or a terminal: one wording for all of them. */

/** The commands of a run: as they were planned, else as they were typed; the task where it is no shell's. */
export function runCommands(run: Run): readonly string[] {
  const { containerTaskId, engine = 'shell', task } = run.request;
  // What carries a container task out may be a long command, and steps of a model are what it did: people know both by
  // their task.
  if (containerTaskId !== undefined || engine !== 'shell') return [task];
  if (run.steps.length > 0) return run.steps.map((step) => step.command);
  const lines = run.request.commands ?? run.request.task.split('\n');
  return lines.map((line) => line.trim()).filter((line) => line !== '');
}

/** `npm ci (+2)`: the first command, and how many more there are. */
export function runLabel(run: Run, limit = 60): string {
  const commands = runCommands(run);
  const first = oneLine(commands[0] ?? run.request.task, limit);
  return commands.length > 1 ? `${first} (+${commands.length - 1})` : first;
}

export function isActive(run: Run): boolean {
  return run.status === 'queued' || run.status === 'running';
}

export const runStatusWord: Readonly<Record<Run['status'], string>> = {
  queued: 'queued',
  running: 'running',
  succeeded: 'succeeded',
  failed: 'failed',
  cancelled: 'cancelled',
  timed_out: 'timed out',
};

/** `3/5`: the step that runs, of how many. */
function stepPosition(run: Run): string | undefined {
  const current = run.steps.findLast((step) => step.status !== 'pending' && step.status !== 'skipped');
  return current === undefined ? undefined : `${current.index}/${run.steps.length}`;
}

/** `failed at step 3 (exit code 1)`, `succeeded`, `step 3/5`: how the run is, in full. */
export function runOutcome(run: Run): string {
  if (isActive(run)) return activeState(run);
  const bad = badStep(run);
  if (bad === undefined) return runStatusWord[run.status];
  const code = typeof bad.exitCode === 'number' ? ` (exit code ${bad.exitCode})` : '';
  return `${runStatusWord[run.status]}${atStep(run, bad)}${code}`;
}

/** How it is, since when, and what it took, as short as a row: `step 3/5 · 0:41`, `failed at step 3 · 08:14`. */
export function describeRun(run: Run, now: number): string {
  if (isActive(run)) return `${activeState(run)} · ${formatElapsed(now - (run.startedAt ?? run.createdAt))}`;
  const bad = badStep(run);
  const ended = run.endedAt ?? run.createdAt;
  const took = run.startedAt === undefined ? [] : [formatDuration(ended - run.startedAt)];
  const state =
    bad === undefined ? runStatusWord[run.status] : `${runStatusWord[run.status]}${atStep(run, bad)}`;
  return [state, formatTime(ended, now), ...took].join(' · ');
}

/** For the quick pick of runs: `api · failed at step 3`. */
export function runDetail(run: Run, sessionName: string | undefined, now: number): string {
  return [sessionName, runOutcome(run), formatTime(run.createdAt, now)]
    .filter((part) => part !== undefined)
    .join(' · ');
}

function activeState(run: Run): string {
  if (run.status === 'queued') return 'queued';
  const position = stepPosition(run);
  const step = position === undefined ? 'starting' : `step ${position}`;
  return run.isAborting ? `stopping, ${step}` : step;
}

/** The step that ended the run badly. */
function badStep(run: Run): Run['steps'][number] | undefined {
  if (run.status === 'succeeded') return undefined;
  return run.steps.find((step) => step.status === 'failed' || step.status === 'timed_out');
}

/** Which step, where there are several. */
function atStep(run: Run, step: Run['steps'][number]): string {
  return run.steps.length > 1 ? ` at step ${step.index}` : '';
}

/** The program in front when it is not the shell itself; undefined for an idle shell or when nobody knows. */
export function busyProgram(terminal: Terminal, foreground: string | undefined): string | undefined {
  if (terminal.state !== 'running' || foreground === undefined || foreground === '') return undefined;
  const program = baseName(foreground.replace(/^-/, ''));
  return program === baseName(terminal.shell) ? undefined : program;
}

/** `idle`, `vim`, `exited 08:14 (exit code 1)`: how the terminal is. */
export function terminalState(terminal: Terminal, foreground: string | undefined, now: number): string {
  if (terminal.state === 'starting') return 'starting';
  const exit = terminal.exit;
  if (terminal.state === 'running' || exit === undefined) {
    return busyProgram(terminal, foreground) ?? (foreground === undefined ? 'running' : 'idle');
  }
  const when = formatTime(exit.exitedAt, now);
  if (exit.reason === 'killed') return `killed · ${when}`;
  if (exit.reason === 'host_lost') return `lost · ${when}`;
  if (exit.reason === 'out_of_memory') return `out of memory · ${when}`;
  if (exit.exitCode === null) return `ended by signal ${exit.signal ?? '?'} · ${when}`;
  return exit.exitCode === 0 ? `exited · ${when}` : `exit code ${exit.exitCode} · ${when}`;
}

/** The tab's title: the name that was given, or what runs in it where none was. */
export function terminalTitle(terminal: Terminal, foreground: string | undefined): string {
  const program = busyProgram(terminal, foreground);
  const name = terminalName(terminal);
  if (program === undefined) return name;
  return hasDefaultName(terminal) && terminal.managedBy === null ? program : `${name}: ${program}`;
}

/**
 * The name that was given; where none was, what an agent is called within its tree (`codegen`), because "bash" tells
 * nothing when eight of them have one.
 */
export function terminalName({ name, managedBy, shell }: Terminal): string {
  return managedBy !== null && hasDefaultName({ name, shell })
    ? (managedBy.split(':').findLast((level) => level !== '') ?? name)
    : name;
}

/** `coordinator-001:codegen`: an owner without the level that all of them share. */
export function ownerName(owner: string): string {
  return owner.replace(/^orchestrator:(?=.)/, '');
}

/** The name in a title that a person has given to a tab: without the program that we had put behind it. */
export function nameFromTitle(title: string, terminal: Terminal, foreground: string | undefined): string {
  const program = busyProgram(terminal, foreground);
  const suffix = `: ${program ?? ''}`;
  const name = program !== undefined && title.endsWith(suffix) ? title.slice(0, -suffix.length) : title;
  return name.trim().slice(0, nameLimit);
}

function hasDefaultName(terminal: Pick<Terminal, 'name' | 'shell'>): boolean {
  return terminal.name.replace(/ \(\d+\)$/, '') === baseName(terminal.shell);
}

/** `idle 12 min`: of a session in which nothing runs. */
export function describeIdle(lastActiveAt: number, now: number): string {
  const age = formatAge(now - lastActiveAt);
  return age === 'just now' ? 'idle' : `idle ${age}`;
}
