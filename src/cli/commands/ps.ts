import type { OrchestratorAccess, SeenRun, SeenTerminal } from '../../core/orchestratorAccess.ts';
import type { Session } from '../../core/sessions/session.ts';
import { withAccess } from '../access/openAccess.ts';
import type { CommandContext } from '../commandContext.ts';
import { exitCode } from '../exitCodes.ts';
import { shortIdsOf } from '../ids.ts';
import { dim } from '../output/dim.ts';
import { formatDuration } from '../output/format.ts';
import { firstLine, formatTable } from '../output/table.ts';

export interface PsOptions {
  /** What has ended too. */
  readonly isAll: boolean;
}

/** Lists sessions, terminals and runs. */
export function listAll(context: CommandContext, options: PsOptions): Promise<number> {
  return withAccess(context, async (access) => {
    const found = await collect(access, options);
    if (context.isJson) {
      await context.out.writeJson(found);
      return exitCode.ok;
    }
    const { sessions, terminals, runs } = found;
    if (sessions.length + terminals.length + runs.length > 0) {
      await context.out.write(formatLists(found, await shortIdsOf(access), context.out.columns));
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

interface Found {
  readonly sessions: readonly Session[];
  readonly terminals: readonly SeenTerminal[];
  readonly runs: readonly SeenRun[];
}

async function collect(access: OrchestratorAccess, { isAll }: PsOptions): Promise<Found> {
  const [sessions, terminals, runs] = await Promise.all([
    access.listSessions(),
    access.listTerminals(),
    access.listRuns({ isLive: !isAll }),
  ]);
  return {
    sessions: sessions.filter(({ state }) => isAll || state !== 'closed'),
    terminals: terminals.filter(({ state }) => isAll || state !== 'exited'),
    runs,
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

function runState(run: SeenRun): string {
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
