import { setTimeout as delay } from 'node:timers/promises';
import type { SubsystemState } from '../../servers/daemon/daemonStatus.ts';
import type { Orchestrator } from '../../core/orchestrator.ts';
import { systemClock } from '../../base/clock.ts';
import { mcpSocketPath } from '../../processHost/paths.ts';
import type { CommandContext } from '../commandContext.ts';
import { type Core, openCore, type OpenCoreOptions } from '../composition.ts';
import { exitCode } from '../exitCodes.ts';
import { type GrpcFlags, type GrpcSettings, grpcSettings } from '../grpcFlags.ts';
import { type HttpFlags, type HttpSettings, httpSettings } from '../httpFlags.ts';
import { version } from '../version.ts';

export interface ServeOptions {
  /** End what runs, instead of leaving it to the next core. */
  readonly stopsChildren: boolean;
  /** The file of the MCP servers; undefined for that of the state directory. */
  readonly toolsFile: string | undefined;
  readonly grpc: GrpcFlags;
  readonly http: HttpFlags;
  readonly core: Pick<OpenCoreOptions, 'modelsFile' | 'limits'>;
  /** On a socket; over HTTP it is there with that. */
  readonly servesMcp: boolean;
}

/** How long `--stop-children` waits for runs to end. */
const stopLimitMs = 15_000;

/** Holds the core of a state directory until it is asked to go. */
export async function serve(context: CommandContext, options: ServeOptions): Promise<number> {
  const { out, err, isJson, stateDir } = context;
  const stop = new StopRequest();
  const isDoorComing = options.grpc.grpc !== false;
  const core = await openCore({
    stateDir,
    kind: 'serve',
    isDoorComing,
    folders: [process.cwd()],
    toolsFile: options.toolsFile,
    ...options.core,
    logger: context.logger,
  });
  const doors: Door[] = [];
  const closeDoors = async (): Promise<void> => {
    await Promise.all(doors.splice(0).map((door) => door.close()));
  };
  try {
    const grpc = grpcSettings(options.grpc, stateDir);
    const http = httpSettings(options.http);
    let grpcState: SubsystemState = { status: 'stopped' };
    if (grpc !== undefined) {
      const door = await openGrpc(context, core, grpc);
      doors.push(door);
      core.announce({ grpc: { state: 'open', socket: door.socket } });
      grpcState = { status: 'running', detail: `unix:${door.socket}` };
    }
    if (http !== undefined) {
      const door = await openDaemon(context, core, http, grpcState);
      doors.push(door);
      core.announce({ http: { url: door.url } });
    }
    if (options.servesMcp) doors.push(await openMcp(context, core));
    const { orchestrator, recoveredFrom } = core;
    orchestrator.onDidFail((error) => void err.writeLine(`orchestrator: ${error.message}`));
    if (recoveredFrom !== undefined) {
      void err.writeLine(
        `orchestrator: the database was broken and a new one was begun. The old one is kept as ${recoveredFrom}.`,
      );
    }
    const { runningRuns, liveTerminals, queuedRuns } = orchestrator.activity();
    await (isJson
      ? out.writeJson({
          ready: true,
          pid: process.pid,
          stateDir,
          ...Object.assign({}, ...doors.map(({ addresses }) => addresses)),
          ...(recoveredFrom === undefined ? {} : { recoveredFrom }),
        })
      : out.writeLine(
          `Ready: serving ${stateDir} as pid ${process.pid}` +
            (runningRuns + queuedRuns + liveTerminals === 0
              ? '.'
              : `, with ${count(runningRuns + queuedRuns, 'run')} and ${count(liveTerminals, 'terminal')} taken up.`),
        ));
    if (!isJson) for (const { description } of doors) await out.writeLine(description);
    await stop.requested;
    // Before anything is ended: clients are told to go, and see nothing half done.
    await closeDoors();
    if (options.stopsChildren) await stopChildren(orchestrator);
    await sayGoodbye(context, core, options);
  } finally {
    await closeDoors();
    // The process host goes too where nothing is left in it; otherwise it stays for whoever comes next.
    await core.close({ endIdleHost: true });
    stop.dispose();
  }
  return exitCode.ok;
}

interface Door {
  /** As `--json` tells them, by the name of the door. */
  readonly addresses: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** For people. */
  readonly description: string;
  close(): Promise<void>;
}

async function openGrpc(
  { logger }: CommandContext,
  core: Core,
  settings: GrpcSettings,
): Promise<Door & { readonly socket: string }> {
  const { openGrpcDoor } = await import('../../servers/grpc/door.ts');
  const server = await openGrpcDoor({ ...settings, orchestrator: core.orchestrator, version, logger });
  const { tcpAddress } = server;
  const { socketPath: socket, tokenFile } = settings;
  const tcp = tcpAddress === undefined ? undefined : `${tcpAddress.address}:${tcpAddress.port}`;
  return {
    socket,
    addresses: {
      grpc: {
        socket,
        ...(tcp === undefined ? {} : { tcp }),
        ...(tokenFile === undefined ? {} : { tokenFile }),
      },
    },
    description:
      `gRPC: unix:${socket}` + (tcp === undefined ? '' : ` and ${tcp}, with the token in ${tokenFile ?? ''}`),
    close: () => server.stop(),
  };
}

async function openDaemon(
  { logger, stateDir }: CommandContext,
  { orchestrator }: Core,
  settings: HttpSettings,
  grpc: SubsystemState,
): Promise<Door & { readonly url: string }> {
  const { openDaemonDoor } = await import('../../servers/daemon/door.ts');
  const subsystems = (): { readonly grpc: SubsystemState } => ({ grpc });
  const door = await openDaemonDoor({ ...settings, orchestrator, stateDir, version, subsystems, logger });
  const { url, tokenPath, isWantedPort } = door;
  return {
    url,
    addresses: { http: { url, tokenFile: tokenPath } },
    description:
      `HTTP and WebSocket: ${url}, with the token in ${tokenPath}` +
      (isWantedPort ? '' : ' (another program has the port that was wanted)'),
    close: () => door.stop(),
  };
}

/** For programs of this user, which need no token there. */
async function openMcp({ logger, stateDir }: CommandContext, { orchestrator }: Core): Promise<Door> {
  const [{ openMcpSocket }, { localOrchestrator }, { defaultMcpLimits }] = await Promise.all([
    import('../../servers/mcp/mcpSocket.ts'),
    import('../../servers/mcp/localOrchestrator.ts'),
    import('../../servers/mcp/limits.ts'),
  ]);
  const driven = localOrchestrator(orchestrator);
  const socket = await openMcpSocket({
    socketPath: mcpSocketPath(stateDir),
    scopes: new Set(['read', 'drive']),
    orchestrator: () => Promise.resolve(driven),
    defaultDirectory: process.cwd(),
    version,
    limits: defaultMcpLimits,
    clock: systemClock,
    logger,
  });
  const { socketPath } = socket;
  return {
    addresses: { mcp: { socket: socketPath } },
    description: `MCP: unix:${socketPath}`,
    close: () => socket.close(),
  };
}

async function sayGoodbye({ err }: CommandContext, core: Core, options: ServeOptions): Promise<void> {
  const { runningRuns, liveTerminals, queuedRuns } = core.orchestrator.activity();
  const going = [
    ...(runningRuns > 0 ? [count(runningRuns, 'run')] : []),
    ...(liveTerminals > 0 ? [count(liveTerminals, 'terminal')] : []),
  ];
  if (going.length > 0) {
    await err.writeLine(
      `orchestrator: stopped; ${going.join(' and ')} still going on` +
        (options.stopsChildren ? ' that could not be ended.' : '. The next serve takes them up again.'),
    );
  } else {
    await err.writeLine('orchestrator: stopped.');
  }
  if (queuedRuns > 0)
    await err.writeLine(`orchestrator: ${count(queuedRuns, 'run')} waiting for the next serve.`);
}

async function stopChildren(orchestrator: Orchestrator): Promise<void> {
  const { runs, terminals, containerTasks } = orchestrator;
  const timeout = new AbortController();
  const ends = runs.active().map(async (run) => {
    await runs.abort(run.id);
    await runs.waitForEnd(run.id, timeout.signal);
  });
  const limit = delay(stopLimitMs, undefined, { signal: timeout.signal }).catch(() => undefined);
  // Those that wait for another try are not among the runs.
  const tasks = containerTasks?.stopAll();
  await Promise.race([Promise.allSettled([...ends, tasks]), limit]);
  timeout.abort();
  const live = terminals.list().filter((terminal) => terminal.state !== 'exited');
  await Promise.allSettled(live.map((terminal) => terminals.kill(terminal.id)));
}

/**
 * SIGTERM, SIGINT (Ctrl-C) or SIGHUP. Heard from before the start, so that none is lost on the way, and keeps the
 * process alive until one comes: a core without children has nothing else to wait for.
 */
class StopRequest {
  readonly requested: Promise<void>;
  private readonly listener: () => void;
  private readonly keepAlive = setInterval(() => undefined, 2 ** 30);

  constructor() {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.requested = promise;
    this.listener = resolve;
    for (const signal of stopSignals) process.on(signal, this.listener);
  }

  dispose(): void {
    clearInterval(this.keepAlive);
    for (const signal of stopSignals) process.off(signal, this.listener);
  }
}

const stopSignals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
