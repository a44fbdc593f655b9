import { randomBytes } from 'node:crypto';
import { chmodSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { OrchestratorError } from '../base/errors.ts';
import { systemIds } from '../base/ids.ts';
import { type EndpointFile, processHostProtocol } from '../protocol/processHost.ts';
import { Catalogue } from './catalogue.ts';
import { removeGroups } from './cgroups.ts';
import { createFileLog, systemCode, writeFileAtomic } from './files.ts';
import { Ledger } from './ledger.ts';
import { ensureHostDirs, type HostPaths, hostPaths } from './paths.ts';
import { killTrees } from './processTree.ts';
import { Screens } from './screens.ts';
import { Server } from './server.ts';
import { acquireStateLock } from './stateLock.ts';
import { Terminals } from './terminals.ts';
import { Workers } from './workers.ts';

/**
 * The process host: `node processHost.js --state-dir D [--idle-exit-ms N]`. Prints one line of JSON, `{"ready":true,…}`
 * or `{"ready":false,"error":{…}}`, and lives until nobody needs it.
 */

const defaultIdleExitMs = 30_000;
const killGraceMs = 1_000;
/** Orphans have had their hang-up when their host died; a client waits for us to be ready. */
const orphanGraceMs = 300;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { 'state-dir': { type: 'string' }, 'idle-exit-ms': { type: 'string' } },
  });
  checkRuntime();
  const stateDir = values['state-dir'];
  if (stateDir === undefined) {
    throw new OrchestratorError('INVALID_ARGUMENT', 'invalid_request', 'The process host needs --state-dir.');
  }
  const idleExitMs = Number(values['idle-exit-ms'] ?? defaultIdleExitMs);
  const paths = hostPaths(stateDir);
  ensureHostDirs(paths);
  const lock = acquireStateLock(paths.lock);
  if (lock === undefined) {
    throw new OrchestratorError(
      'ALREADY_EXISTS',
      'state_in_use',
      `Another process host serves ${paths.stateDir} already.`,
    );
  }
  const log = createFileLog(paths.log);
  surviveErrors(log);

  const ledger = new Ledger(paths.ledger);
  await endOrphans(ledger, log);

  const token = randomBytes(32).toString('hex');
  const hello = {
    protocol: processHostProtocol,
    version: process.env['ORCHESTRATION_WORKBENCH_VERSION'] ?? '0.0.0',
    pid: process.pid,
    hostId: systemIds.hexId(),
  };
  const startedAt = Date.now();

  let isEnding = false;
  let idleTimer: NodeJS.Timeout | undefined;
  const isIdle = (): boolean => !terminals.isBusy && workers.liveCount === 0;
  const onQuiet = (): void => {
    clearTimeout(idleTimer);
    if (isEnding || !isIdle() || server.clientCount > 0) return;
    idleTimer = setTimeout(() => {
      if (isIdle() && server.clientCount === 0) void end('nobody needs it', 0);
    }, idleExitMs);
  };

  const catalogue = new Catalogue(paths.catalogue);
  const terminals = new Terminals({
    dir: paths.terminals,
    ledger,
    catalogue,
    onExit: (exit) => {
      server.broadcast('terminalExit', exit);
    },
    onQuiet,
    log,
  });
  const workers = new Workers({
    dir: paths.workers,
    program: join(__dirname, 'worker.js'),
    socket: paths.socket,
    ledger,
    killTerminalsOf: (workerId) => terminals.killOwnedBy(workerId),
    onQuiet,
    log,
  });
  terminals.load();
  workers.load();

  const screens = new Screens(join(__dirname, 'screenWorker.js'), log);
  const server = new Server({
    terminals,
    workers,
    screens,
    hello,
    token,
    startedAt,
    onQuiet,
    shutdownIfIdle: (others) => {
      // What an ended terminal may have left behind is looked for by `end` itself: nobody has to wait for that here.
      if (others > 0 || terminals.liveCount > 0 || workers.liveCount > 0) return false;
      // The answer goes out first.
      setImmediate(() => void end('it was asked to', 0));
      return true;
    },
    log,
  });
  const listener = createServer((socket) => {
    clearTimeout(idleTimer);
    server.accept(socket);
  });

  const end = async (why: string, exitCode: number): Promise<void> => {
    if (isEnding) return;
    isEnding = true;
    log(`The process host ends: ${why}`);
    // Gone from its address first, so that nobody new is let in.
    rmSync(paths.endpoint, { force: true });
    listener.close();
    await Promise.allSettled([workers.killAll(killGraceMs), terminals.killAll(killGraceMs)]);
    server.close();
    ledger.dispose();
    catalogue.dispose();
    lock.dispose();
    process.exit(exitCode);
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => void end(signal, 0));
  }

  await listen(listener, paths);
  const endpoint: EndpointFile = { ...hello, socket: paths.socket, token, startedAt };
  writeFileAtomic(paths.endpoint, JSON.stringify(endpoint));
  log(
    `The process host ${hello.version} is ready, Node ${process.versions.node}, libuv ${process.versions.uv}`,
  );
  print({
    ready: true,
    pid: process.pid,
    hostId: hello.hostId,
    version: hello.version,
    socket: paths.socket,
  });
  onQuiet();
}

/** Older ones take a hang-up together with the last bytes for the end, and lose those bytes. */
function checkRuntime(): void {
  const [major = 0, minor = 0] = process.versions.uv.split('.').map(Number);
  if (major > 1 || (major === 1 && minor >= 52)) return;
  throw new OrchestratorError(
    'FAILED_PRECONDITION',
    'runtime_too_old',
    `Terminals need libuv 1.52 or later, which Node.js 24.18 and VS Code 1.136 have; ${process.execPath} has ${process.versions.uv} (Node.js ${process.versions.node}). An older one loses the end of their output.`,
  );
}

/** Ends what earlier hosts of this state directory have started and did not see the end of. */
async function endOrphans(ledger: Ledger, log: (message: string, error?: unknown) => void): Promise<void> {
  const open = ledger.open;
  if (open.length === 0) return;
  const roots = open.map((entry) => ({ ...entry, isSessionOurs: false }));
  const areGone = await killTrees(roots, orphanGraceMs);
  if (!areGone) {
    log('Some processes of an earlier host do not end even when they are killed');
    return;
  }
  for (const { id, groups = [] } of open) {
    if (await removeGroups(groups)) ledger.ended(id, Date.now());
    else log(`The control groups of terminal ${id}, which an earlier host has left, cannot be removed`);
  }
}

async function listen(listener: ReturnType<typeof createServer>, paths: HostPaths): Promise<void> {
  const attempt = (): Promise<void> =>
    new Promise((resolve, reject) => {
      listener.once('error', reject);
      listener.listen(paths.socket, () => {
        listener.off('error', reject);
        resolve();
      });
    });
  // The folder is ours alone, so nobody can come in between bind and chmod.
  try {
    await attempt();
  } catch (error) {
    if (systemCode(error) !== 'EADDRINUSE' || process.platform === 'win32') throw error;
    if (await isAnswered(paths.socket)) {
      throw new OrchestratorError(
        'ALREADY_EXISTS',
        'state_in_use',
        `Somebody answers at ${paths.socket} without holding the lock of ${paths.stateDir}.`,
      );
    }
    // A dead host's: we hold the lock, and nobody answers.
    rmSync(paths.socket, { force: true });
    await attempt();
  }
  if (process.platform !== 'win32') chmodSync(paths.socket, 0o600);
}

function isAnswered(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => {
      resolve(false);
    });
  });
}

function surviveErrors(log: (message: string, error?: unknown) => void): void {
  // Every terminal depends on this process: one broken request is not worth them all.
  process.on('uncaughtException', (error) => {
    log('Uncaught error', error);
  });
  process.on('unhandledRejection', (reason) => {
    log('Unhandled rejection', reason);
  });
  process.on('SIGPIPE', () => undefined);
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
}

function print(line: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

main().catch((error: unknown) => {
  print({ ready: false, error: OrchestratorError.from(error).toShape() });
  process.exitCode = 1;
  // Nothing else may keep it: the lock is free once it is gone.
  setImmediate(() => process.exit(1));
});
