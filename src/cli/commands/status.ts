import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { OrchestratorError } from '../../base/errors.ts';
import { invalidRequest } from '../../core/text.ts';
import {
  type CoreHolder,
  isHolderAlive,
  listServingCores,
  readCoreHolder,
} from '../../processHost/coreHolder.ts';
import type { DaemonStatus } from '../../protocol/daemon/shapes.ts';
import { withAccess } from '../access/openAccess.ts';
import type { CommandContext } from '../commandContext.ts';
import { describeHolder } from '../coreHolder.ts';
import { exitCode } from '../exitCodes.ts';
import { formatBytes, formatDuration } from '../output/format.ts';
import { formatTable } from '../output/table.ts';

export interface StatusOptions {
  readonly all?: boolean;
  readonly url?: string;
  readonly tokenFile?: string;
}

/** What is told of one orchestrator; `--json` prints it as it is. */
interface Report {
  readonly running: true;
  readonly stateDir?: string;
  readonly core?: Omit<CoreHolder, 'yieldSocket' | 'yieldToken'>;
  readonly url?: string;
  /** Where its token is kept. */
  readonly tokenFile?: string;
  /** As the daemon tells it; missing where it has no door that could be asked. */
  readonly status?: DaemonStatus;
  /** Without the daemon: counted over gRPC. */
  readonly counts?: { readonly sessions: number; readonly runs: number; readonly terminals: number };
  /** Why the daemon did not tell. */
  readonly problem?: string;
}

/** Exit code 3 where nothing runs. Errors: `invalid_request`; with `--url` those of asking it. */
export async function showStatus(context: CommandContext, options: StatusOptions): Promise<number> {
  const { all, url, tokenFile } = options;
  if (url === undefined && tokenFile !== undefined) throw invalidRequest('--token-file needs --url.');
  if (all === true) return await showAll(context);
  if (url !== undefined) {
    const status = await askDaemon(url, tokenFile);
    return await print(context, { running: true, url, status });
  }
  const holder = aliveHolder(context.stateDir);
  if (holder === undefined) return await showNothing(context);
  return await print(context, await reportOf(context, holder));
}

function aliveHolder(stateDir: string): CoreHolder | undefined {
  const holder = readCoreHolder(stateDir);
  return holder !== undefined && isHolderAlive(holder) ? holder : undefined;
}

async function reportOf(context: CommandContext, holder: CoreHolder): Promise<Report> {
  const { stateDir } = context;
  const { yieldSocket: _socket, yieldToken: _token, ...core } = holder;
  const known = { running: true, stateDir, core } as const;
  const url = holder.http?.url;
  if (url === undefined) return { ...known, ...(await countsOver(context, holder)) };
  const tokenFile = join(stateDir, 'http-token');
  const place = { ...known, url, tokenFile };
  try {
    return { ...place, status: await askDaemon(url, tokenFile) };
  } catch (error) {
    const { message: problem } = OrchestratorError.from(error);
    return { ...place, problem, ...(await countsOver(context, holder)) };
  }
}

async function countsOver(context: CommandContext, { grpc }: CoreHolder): Promise<Pick<Report, 'counts'>> {
  if (grpc?.state !== 'open') return {};
  return await withAccess(context, async (access) => {
    const [sessions, runs, terminals] = await Promise.all([
      access.listSessions(),
      access.listRuns({ isLive: true }),
      access.listTerminals(),
    ]);
    return {
      counts: {
        sessions: sessions.filter(({ state }) => state !== 'closed').length,
        runs: runs.length,
        terminals: terminals.filter(({ state }) => state !== 'exited').length,
      },
    };
  });
}

/** How long a daemon may take to answer, in milliseconds. */
const answerLimitMs = 5_000;

/** Errors: `closed` where nobody answers, `unauthenticated`, `protocol_violation` for what is no daemon. */
async function askDaemon(url: string, tokenFile: string | undefined): Promise<DaemonStatus> {
  const [{ daemonStatus }, { z }] = await Promise.all([
    import('../../protocol/daemon/shapes.ts'),
    import('zod/mini'),
  ]);
  const address = addressOf(url);
  const token = tokenFile === undefined ? undefined : tokenOf(tokenFile);
  let response: Response;
  let body: unknown;
  try {
    response = await fetch(address, {
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      redirect: 'error',
      signal: AbortSignal.timeout(answerLimitMs),
    });
    body = await response.json().catch(() => undefined);
  } catch (error) {
    throw new OrchestratorError('UNAVAILABLE', 'closed', `Nobody answers at ${url}. Is the daemon running?`, {
      cause: error,
    });
  }
  if (response.status === 401) {
    const how =
      tokenFile === undefined ? 'Name its file with --token-file.' : `Is ${tokenFile} that of this daemon?`;
    throw new OrchestratorError('UNAUTHENTICATED', 'unauthenticated', `${url} wants its token. ${how}`);
  }
  // The status itself, or what holds it.
  const told = z.union([
    daemonStatus,
    z.object({ daemon: daemonStatus }),
    z.object({ status: daemonStatus }),
  ]);
  const parsed = told.safeParse(body);
  if (!response.ok || !parsed.success) {
    throw new OrchestratorError(
      'UNAVAILABLE',
      'protocol_violation',
      `${url} answered with HTTP ${response.status}, and told no status of a daemon.`,
    );
  }
  const { data } = parsed;
  if ('daemon' in data) return data.daemon;
  return typeof data.status === 'object' ? data.status : data;
}

function addressOf(url: string): URL {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw invalidRequest(`--url is http(s)://HOST:PORT, not "${url}".`);
  }
  return new URL('/api/daemon', url);
}

function tokenOf(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw invalidRequest(`The token file ${file} cannot be read: ${OrchestratorError.from(error).message}`);
  }
}

async function showNothing({ out, err, isJson, stateDir }: CommandContext): Promise<number> {
  if (isJson) await out.writeJson({ running: false, stateDir });
  else {
    const others = listServingCores().length;
    const hint = others === 0 ? '' : ` ${others} of yours run elsewhere: orchestrator status --all.`;
    await err.writeLine(
      `orchestrator: none runs for ${stateDir}.${hint} Start one: orchestrator serve --http, or open the folder in VS Code.`,
    );
  }
  return exitCode.notRunning;
}

async function showAll(context: CommandContext): Promise<number> {
  const cores = listServingCores();
  if (cores.length === 0) return await showNothing(context);
  const { out, isJson } = context;
  if (isJson) {
    for (const { stateDir, holder } of cores) {
      const { yieldSocket: _socket, yieldToken: _token, ...core } = holder;
      const url = holder.http?.url;
      await out.writeJson({ running: true, stateDir, core, ...(url === undefined ? {} : { url }) });
    }
    return exitCode.ok;
  }
  const now = Date.now();
  const rows = cores.map(({ stateDir, holder }) => [
    holder.kind === 'vscode' ? `VS Code: ${holder.label}` : holder.label,
    String(holder.pid),
    formatDuration(now - holder.startedAt),
    holder.http?.url ?? '',
    stateDir,
  ]);
  await out.write(formatTable(['ORCHESTRATOR', 'PID', 'UP', 'DAEMON', 'STATE DIRECTORY'], rows, out.columns));
  return exitCode.ok;
}

async function print({ out, isJson }: CommandContext, report: Report): Promise<number> {
  if (isJson) await out.writeJson(report);
  else {
    const lines = describe(report);
    const width = Math.max(...lines.map(([name]) => name.length));
    for (const [name, text] of lines) await out.writeLine(`${name.padEnd(width)}  ${text}`);
  }
  return exitCode.ok;
}

function describe({ core, stateDir, url, tokenFile, status, counts, problem }: Report): [string, string][] {
  const lines: [string, string | undefined][] = [
    ['State', status?.status ?? 'running'],
    ['Served by', core === undefined ? undefined : describeHolder({ ...core })],
    ['Up', formatDuration(status?.uptime ?? Date.now() - (core?.startedAt ?? Date.now()))],
    ['Version', status?.process?.version ?? core?.version],
    ['Daemon', url ?? 'off (orchestrator serve --http, or orchestrator.daemon.enabled)'],
    ['Token in', tokenFile],
    ['Not asked', problem],
    ['gRPC', core?.grpc?.socket === undefined ? undefined : `unix:${core.grpc.socket}`],
    ['State dir', stateDir],
    [
      'Folders',
      core?.folders === undefined || core.folders.length === 0 ? undefined : core.folders.join(', '),
    ],
    ...(status === undefined ? countLines(counts) : statusLines(status)),
  ];
  return lines.flatMap(([name, text]) => (text === undefined ? [] : [[name, text] as [string, string]]));
}

function countLines(counts: Report['counts']): [string, string][] {
  if (counts === undefined) return [];
  const { sessions, runs, terminals } = counts;
  return [
    ['Sessions', String(sessions)],
    ['Runs', `${runs} not ended`],
    ['Terminals', String(terminals)],
  ];
}

function statusLines(status: DaemonStatus): [string, string | undefined][] {
  const { activeSessions, queuedTasks, metrics, connections, limits, subsystems } = status;
  const { totalTasksProcessed, successRate, totalSessionsSpawned } = metrics;
  const most = limits === undefined ? '' : ` of at most ${limits.maxSessions}`;
  const sent = connections && `${formatBytes(connections.bytesSent)} out`;
  return [
    [
      'Clients',
      connections && `${connections.clients}, ${formatBytes(connections.bytesReceived)} in, ${sent ?? ''}`,
    ],
    ['Sessions', `${activeSessions} active${most}, ${totalSessionsSpawned} in all`],
    [
      'Tasks',
      `${queuedTasks} queued, ${totalTasksProcessed} done, ${Math.round(successRate * 100)} % succeeded`,
    ],
    [
      'Process',
      status.process &&
        `${formatBytes(status.process.rssBytes)}, ${status.process.cpuPercent.toFixed(0)} % of a processor`,
    ],
    ...Object.entries(subsystems).map(([name, { status: state, detail, errors }]): [string, string] => [
      `  ${name}`,
      [state, detail, ...(errors ?? [])].filter((text) => text !== undefined && text !== '').join(' · '),
    ]),
  ];
}
