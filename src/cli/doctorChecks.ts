import { execFile } from 'node:child_process';
import { existsSync, lstatSync, statfsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { createDockerEngine } from '../adapters/docker/dockerEngine.ts';
import { OrchestratorError } from '../base/errors.ts';
import { missingForCeilings } from '../processHost/cgroups.ts';
import { readCoreHolder } from '../processHost/coreHolder.ts';
import { readJsonLines } from '../processHost/files.ts';
import { hostPaths } from '../processHost/paths.ts';
import { processTable } from '../processHost/processTable.ts';
import { acquireStateLock } from '../processHost/stateLock.ts';
import type { CommandContext } from './commandContext.ts';
import { FilesAccess } from './access/filesAccess.ts';
import { openProcessHost } from './access/hostClient.ts';
import { describeHolder } from './coreHolder.ts';
import { isNodeRecentEnough } from './nodeVersion.ts';
import { formatBytes, formatDuration } from './output/format.ts';
import { statePaths } from './stateDir.ts';
import { version } from './version.ts';

export interface CheckResult {
  readonly status: 'ok' | 'warning' | 'problem';
  readonly message: string;
  /** What to do about it. */
  readonly fix?: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

export type Check = (context: CommandContext) => CheckResult | Promise<CheckResult>;

/** In the order in which they are told. Each one looks for itself, so that one failure does not hide the others. */
export const checks: Readonly<Record<string, Check>> = {
  version: () => ({ status: 'ok', message: version }),
  node: checkNode,
  terminals: checkTerminals,
  ceilings: checkCeilings,
  'state directory': checkStateDir,
  disk: checkDisk,
  core: checkCore,
  'process host': checkProcessHost,
  store: checkStore,
  leftovers: checkLeftovers,
  containers: checkContainers,
};

const run = promisify(execFile);
const lowDiskBytes = 100 * 1024 * 1024;

function checkNode(): CheckResult {
  const { node, uv } = process.versions;
  const message = `${node} (libuv ${uv}), ${process.execPath}`;
  const details = { node, uv, execPath: process.execPath };
  if (isNodeRecentEnough(node)) return { status: 'ok', message, details };
  return { status: 'problem', message, details, fix: 'Install Node.js 24.18 or later.' };
}

/** In a process of its own: a native module that does not fit may end the process that loads it. */
async function checkTerminals(): Promise<CheckResult> {
  const module = join(__dirname, 'node_modules', 'node-pty');
  const script = `
    const pty = require(${JSON.stringify(module)});
    const [file, args] = process.platform === 'win32' ? ['cmd.exe', ['/c', 'echo hello']] : ['/bin/sh', ['-c', 'echo hello']];
    const child = pty.spawn(file, args, { cols: 80, rows: 24 });
    let text = '';
    child.onData((data) => { text += data; });
    child.onExit(() => { process.stdout.write(text.includes('hello') ? 'works' : 'no output'); process.exit(0); });`;
  try {
    const { stdout } = await run(process.execPath, ['-e', script], { timeout: 10_000 });
    if (stdout === 'works')
      return { status: 'ok', message: 'node-pty loads, and a program runs in a terminal' };
    return { status: 'problem', message: 'a terminal gave no output', fix: 'Check /dev/ptmx and /dev/pts.' };
  } catch (error) {
    const text = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
    const reason = /^\w*Error: .*$/m.exec(text)?.[0] ?? text.split('\n')[0] ?? '';
    return {
      status: 'problem',
      message: `node-pty does not work: ${reason}`,
      fix: 'Install the package again, for this system and processor.',
    };
  }
}

/** Of this process's control groups: a process host that runs already may have been started among others. */
function checkCeilings(): CheckResult {
  const missing = missingForCeilings();
  const names = { memory: 'memory', cpu: 'processor', pids: 'processes' } as const;
  const possible = (['memory', 'cpu', 'pids'] as const).filter(
    (controller) => missing[controller] === undefined,
  );
  const details = { possible, missing };
  if (possible.length === 3) {
    return { status: 'ok', message: 'terminals can be given them: memory, processor, processes', details };
  }
  const [reason = ''] = Object.values(missing).filter((why) => why !== undefined);
  const message =
    possible.length === 0
      ? 'terminals cannot be given them (nothing else needs them)'
      : `terminals can be given them only for ${possible.map((controller) => names[controller]).join(' and ')}`;
  return {
    // What is asked for by few is no fault of the machine.
    status: 'ok',
    message: `${message}: ${reason}`,
    details,
  };
}

async function checkContainers({ logger }: CommandContext): Promise<CheckResult> {
  const engine = createDockerEngine({ logger });
  try {
    const info = await engine.probe();
    const { kind, version: engineVersion, apiVersion, address, foundBy, cgroupVersion, missing } = info;
    const message =
      `${kind} ${engineVersion} (API ${apiVersion}) at ${address}, found by ${foundBy}; ` +
      `cgroups ${cgroupVersion}${missing.length === 0 ? '' : `; it does not limit ${missing.join(', ')}`}`;
    return { status: 'ok', message, details: { ...info } };
  } catch (error) {
    const { message, details = {} } = OrchestratorError.from(error);
    return { status: 'warning', message, details, fix: 'Only containers need one; all else works without.' };
  } finally {
    engine.dispose();
  }
}

function checkStateDir({ stateDir }: CommandContext): CheckResult {
  const stat = lstatSync(stateDir, { throwIfNoEntry: false });
  if (stat === undefined) return { status: 'ok', message: `${stateDir} (not made yet)` };
  if (stat.isSymbolicLink() || !stat.isDirectory()) {
    return {
      status: 'problem',
      message: `${stateDir} is no folder of its own`,
      fix: 'Choose another with --state-dir.',
    };
  }
  if (process.platform !== 'win32') {
    if (stat.uid !== process.getuid?.()) {
      return {
        status: 'problem',
        message: `${stateDir} belongs to another user`,
        fix: 'Choose another with --state-dir.',
      };
    }
    if ((stat.mode & 0o077) !== 0) {
      return {
        status: 'warning',
        message: `${stateDir} can be read by others (mode ${(stat.mode & 0o777).toString(8)})`,
        fix: `chmod 700 ${stateDir}   (the next start does it too)`,
      };
    }
  }
  return { status: 'ok', message: stateDir };
}

function checkDisk({ stateDir }: CommandContext): CheckResult {
  let folder = stateDir;
  while (!existsSync(folder)) folder = dirname(folder);
  const { bavail, bsize } = statfsSync(folder);
  const freeBytes = bavail * bsize;
  const message = `${formatBytes(freeBytes)} free`;
  if (freeBytes >= lowDiskBytes) return { status: 'ok', message, details: { freeBytes } };
  return {
    status: 'problem',
    message,
    details: { freeBytes },
    fix: 'Free some space: output could not be kept.',
  };
}

function checkCore({ stateDir }: CommandContext): CheckResult {
  const paths = statePaths(stateDir);
  const lock = existsSync(paths.lock) ? acquireStateLock(paths.lock) : undefined;
  lock?.dispose();
  if (lock !== undefined || !existsSync(paths.lock))
    return { status: 'ok', message: 'nobody serves this directory' };
  const holder = readCoreHolder(stateDir);
  if (holder === undefined) return { status: 'ok', message: 'served by somebody' };
  const { pid, kind, label, startedAt, grpc } = holder;
  const at = grpc?.socket === undefined ? '' : `, gRPC at unix:${grpc.socket}`;
  return {
    status: 'ok',
    message: `served by ${describeHolder(holder)}${at}`,
    details: { holder: { pid, kind, label, startedAt, grpc } },
  };
}

async function checkProcessHost(context: CommandContext): Promise<CheckResult> {
  const host = openProcessHost(context.stateDir, context.logger);
  try {
    const stats = (await host.connectIfRunning()) ? await host.stats() : undefined;
    if (stats === undefined)
      return { status: 'ok', message: 'not running (it is started when it is needed)' };
    const message =
      `version ${stats.version}, pid ${stats.pid}, up ${formatDuration(Date.now() - stats.startedAt)}, ` +
      `${formatBytes(stats.rssBytes)}, ${stats.liveTerminals} of ${stats.terminals} terminals and ` +
      `${stats.liveWorkers} of ${stats.workers} workers live`;
    const details = { ...stats };
    if (stats.version === version) return { status: 'ok', message, details };
    return {
      status: 'warning',
      message,
      details,
      fix: `It is not of this version (${version}); it is replaced as soon as nothing runs under it.`,
    };
  } finally {
    host.dispose();
  }
}

function checkStore({ stateDir }: CommandContext): CheckResult {
  const { database: path } = statePaths(stateDir);
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  if (size === undefined) return { status: 'ok', message: 'nothing stored yet' };
  const fix = 'The next start puts it aside, begins a new one and says where the old one is.';
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
    const finding = database.prepare('PRAGMA quick_check(1)').get()?.['quick_check'];
    if (finding !== 'ok') return { status: 'problem', message: `${path}: ${String(finding)}`, fix };
    const events = database.prepare('SELECT count(*) AS count FROM event').get()?.['count'];
    return {
      status: 'ok',
      message: `${formatBytes(size)}, ${String(events)} events, sound`,
      details: { size, events },
    };
  } catch (error) {
    return {
      status: 'problem',
      message: `${path}: ${error instanceof Error ? error.message : String(error)}`,
      fix,
    };
  } finally {
    if (database?.isOpen === true) database.close();
  }
}

/** Processes that a dead process host has left, and runs whose end nobody has written down. */
async function checkLeftovers(context: CommandContext): Promise<CheckResult> {
  const files = await FilesAccess.open(context);
  try {
    const fix = 'orchestrator serve takes them up or ends them; so does the next run.';
    if (!files.hasHost) {
      const orphans = openLedgerEntries(context.stateDir).filter(
        ({ pid, startTime }) => pid !== undefined && processTable.startTime(pid) === startTime,
      );
      if (orphans.length > 0) {
        const pids = orphans.map(({ pid }) => pid).join(', ');
        return {
          status: 'problem',
          message: `${orphans.length} processes of a process host that is gone: ${pids}`,
          details: { orphans },
          fix,
        };
      }
    }
    const lost = (await files.listRuns()).filter(({ status, isLive }) => status === 'running' && !isLive);
    if (lost.length === 0) return { status: 'ok', message: 'none' };
    return {
      status: 'warning',
      message: `${lost.length} runs have ended without a core that wrote it down`,
      details: { runs: lost.map(({ id }) => id) },
      fix,
    };
  } finally {
    files.dispose();
  }
}

interface OpenEntry {
  readonly id: string;
  readonly pid?: number;
  readonly startTime?: string;
}

/** Read only: the ledger itself is the process host's to write (processHost/ledger.ts). */
function openLedgerEntries(stateDir: string): OpenEntry[] {
  const open = new Map<string, OpenEntry>();
  for (const line of readJsonLines(hostPaths(stateDir).ledger)) {
    if (typeof line !== 'object' || line === null || !('id' in line) || typeof line.id !== 'string') continue;
    if ('ended' in line) open.delete(line.id);
    else open.set(line.id, { ...open.get(line.id), ...(line as OpenEntry) });
  }
  return [...open.values()];
}
