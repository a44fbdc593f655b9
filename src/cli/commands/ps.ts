import type { Run } from '../../core/runs/run.ts';
import type { Session } from '../../core/sessions/session.ts';
import type { Terminal } from '../../core/terminals/terminal.ts';
import type { CommandContext } from '../commandContext.ts';
import { exitCode } from '../exitCodes.ts';
import { dim } from '../output/dim.ts';
import { formatDuration } from '../output/format.ts';
import { firstLine, formatTable } from '../output/table.ts';
import { type StateView, withStateView } from '../stateView.ts';

export interface PsOptions {
  /** What has ended too. */
  readonly isAll: boolean;
}

/** Lists sessions, terminals and runs. */
export function listAll(context: CommandContext, options: PsOptions): Promise<number> {
  return withStateView(context, async (view) => {
    const found = await collect(view, options);
    if (context.isJson) {
      await context.out.writeJson(found);
      return exitCode.ok;
    }
    const { sessions, terminals, runs } = found;
    if (sessions.length + terminals.length + runs.length > 0) {
      await context.out.write(formatLists(found, view.shortIds(), context.out.columns));
    } else {
      const hint = options.isAll
        ? 'Nothing here yet.'
        : 'Nothing is going on. What has ended: orchestrator ps --all';
      await context.out.writeLine(
        `${hint}\n${dim('Run something:  orchestrator run -- COMMAND', context.out.isTty)}`,
      );
    }
    return exitCode.ok;
  });
}

/** As the database has it, and whether its process is there now: after a crash the one may lag behind the other. */
type Seen<T> = T & { readonly isLive: boolean };

interface Found {
  readonly sessions: readonly Session[];
  readonly terminals: readonly (Seen<Terminal> & { readonly foregroundProcess?: string | undefined })[];
  readonly runs: readonly Seen<Run>[];
}

async function collect(view: StateView, { isAll }: PsOptions): Promise<Found> {
  const [liveTerminals, liveWorkers] = await Promise.all([view.liveTerminals(), view.liveWorkers()]);
  return {
    sessions: view.sessions().filter(({ state }) => isAll || state !== 'closed'),
    terminals: view
      .terminals()
      .filter(({ state }) => isAll || state !== 'exited')
      .map((terminal) => ({
        ...terminal,
        isLive: liveTerminals.has(terminal.id),
        foregroundProcess: liveTerminals.get(terminal.id)?.foregroundProcess,
      })),
    runs: view
      .runs()
      .filter(({ endedAt }) => isAll || endedAt === undefined)
      .map((run) => ({ ...run, isLive: liveWorkers.has(run.id) })),
  };
}

function formatLists(found: Found, shortIds: ReadonlyMap<string, string>, width: number | undefined): string {
  const now = Date.now();
  const idOf = (id: string): string => shortIds.get(id) ?? id;
  const sessionName = new Map(found.sessions.map(({ id, name }) => [id, name]));
  const rows = [
    ...found.sessions.map((session) => [
      'session',
      idOf(session.id),
      session.state,
      formatDuration(now - session.createdAt),
      '',
      session.name,
      session.cwd,
    ]),
    ...found.terminals.map((terminal) => [
      'terminal',
      idOf(terminal.id),
      terminal.state === 'running' && !terminal.isLive ? 'lost' : terminal.state,
      formatDuration((terminal.exit?.exitedAt ?? now) - terminal.createdAt),
      terminal.isLive ? String(terminal.pid) : '',
      sessionName.get(terminal.sessionId) ?? '',
      terminal.foregroundProcess === undefined
        ? terminal.name
        : `${terminal.name}: ${terminal.foregroundProcess}`,
    ]),
    ...found.runs.map((run) => [
      'run',
      idOf(run.id),
      runState(run),
      formatDuration((run.endedAt ?? now) - run.createdAt),
      '',
      sessionName.get(run.sessionId) ?? '',
      firstLine(run.request.task),
    ]),
  ];
  return formatTable(['KIND', 'ID', 'STATE', 'TIME', 'PID', 'SESSION', 'WHAT'], rows, width);
}

function runState(run: Seen<Run>): string {
  if (run.status === 'running') {
    // Its worker has ended, and no core was there to write it down.
    if (!run.isLive) return 'lost';
    const done = run.steps.filter((step) => step.status === 'succeeded').length;
    return run.isAborting ? 'aborting' : `running ${done}/${run.steps.length}`;
  }
  const failed = run.steps.find((step) => step.status === 'failed');
  return run.status === 'failed' && typeof failed?.exitCode === 'number'
    ? `failed (${failed.exitCode})`
    : run.status;
}
