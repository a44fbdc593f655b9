import { createHash } from 'node:crypto';
import { chmodSync, existsSync, lstatSync, mkdirSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { OrchestratorError } from '../base/errors.ts';
import { processHostProtocol } from '../protocol/processHost.ts';
import { systemCode } from './files.ts';

/** Where everything of the process host of one state directory lies. */
export interface HostPaths {
  readonly stateDir: string;
  readonly root: string;
  readonly endpoint: string;
  readonly lock: string;
  readonly ledger: string;
  readonly catalogue: string;
  readonly terminals: string;
  readonly workers: string;
  readonly log: string;
  /** Path of the socket, or name of the pipe on Windows. */
  readonly socket: string;
  /** Folder of the socket. */
  readonly socketDir: string | undefined;
}

/** sun_path holds 104 bytes on macOS, 108 on Linux. */
const maxSocketPathBytes = 100;

export function hostPaths(stateDir: string, env: NodeJS.ProcessEnv = process.env): HostPaths {
  const absolute = resolve(stateDir);
  const root = join(absolute, `host-v${processHostProtocol}`);
  return {
    stateDir: absolute,
    root,
    endpoint: join(root, 'endpoint.json'),
    lock: join(root, 'host.lock'),
    ledger: join(root, 'ledger.jsonl'),
    catalogue: join(root, 'terminals.jsonl'),
    terminals: join(root, 'terminals'),
    workers: join(root, 'workers'),
    log: join(root, 'host.log'),
    ...socketPath(absolute, root, env),
  };
}

function socketPath(
  stateDir: string,
  root: string,
  env: NodeJS.ProcessEnv,
): Pick<HostPaths, 'socket' | 'socketDir'> {
  const hash = createHash('sha256').update(stateDir).digest('hex').slice(0, 16);
  if (process.platform === 'win32') {
    return { socket: `\\\\.\\pipe\\orchestration-workbench-${hash}`, socketDir: undefined };
  }
  const local = join(root, 's.sock');
  if (Buffer.byteLength(local) <= maxSocketPathBytes) return { socket: local, socketDir: root };
  const socketDir = runtimeDir(env);
  return { socket: join(socketDir, `${hash}.sock`), socketDir };
}

/** Where the gRPC door of the core listens: beside the state where the path is short enough, else in the runtime folder. */
export function grpcSocketPath(stateDir: string, env: NodeJS.ProcessEnv = process.env): string {
  return doorSocketPath(stateDir, 'grpc', env);
}

/** Likewise, where it answers MCP. */
export function mcpSocketPath(stateDir: string, env: NodeJS.ProcessEnv = process.env): string {
  return doorSocketPath(stateDir, 'mcp', env);
}

function doorSocketPath(stateDir: string, door: string, env: NodeJS.ProcessEnv): string {
  const { stateDir: absolute, socket, socketDir } = hostPaths(stateDir, env);
  if (process.platform === 'win32') return `${socket}-${door}`;
  const local = join(absolute, `${door}.sock`);
  if (Buffer.byteLength(local) <= maxSocketPathBytes || socketDir === undefined) return local;
  ensurePrivateDir(socketDir);
  return socket.replace(/\.sock$/, `-${door}.sock`);
}

/** What lives no longer than the machine runs: sockets whose own place is too deep, and which cores serve. */
export function runtimeDir(env: NodeJS.ProcessEnv = process.env): string {
  const runtime = env['XDG_RUNTIME_DIR'] ?? '';
  return join(runtime === '' ? tmpdir() : runtime, `orchestration-workbench-${userInfo().uid}`);
}

/**
 * Makes a folder that only we can read, or checks that the one that is there is such: a folder, no link, our own.
 * @throws OrchestratorError state_dir_unsafe
 */
export function ensurePrivateDir(path: string): void {
  makeDirs(path);
  if (process.platform === 'win32') return;
  const stat = lstatSync(path);
  if (!stat.isDirectory() || stat.uid !== process.getuid?.()) {
    throw new OrchestratorError(
      'PERMISSION_DENIED',
      'state_dir_unsafe',
      `${path} is ${stat.isDirectory() ? 'owned by another user' : 'not a folder'}. The orchestrator keeps its state only in a folder of its own: move it away or choose another state directory.`,
      { details: { path } },
    );
  }
  if ((stat.mode & 0o077) !== 0) chmodSync(path, 0o700);
}

/** Whether it is a folder of our own that nobody else can read or write. */
export function isPrivateDir(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat?.isDirectory() !== true) return false;
  return process.platform === 'win32' || (stat.uid === process.getuid?.() && (stat.mode & 0o077) === 0);
}

/** One by one: Node's own recursive mode never comes back below a file system that takes no folders, such as /proc. */
function makeDirs(path: string): void {
  const parent = dirname(path);
  if (parent !== path && !existsSync(parent)) makeDirs(parent);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
  }
}

/** Makes and checks every folder that the host needs. */
export function ensureHostDirs(paths: HostPaths): void {
  for (const path of [paths.stateDir, paths.root, paths.terminals, paths.workers]) ensurePrivateDir(path);
  if (paths.socketDir !== undefined) ensurePrivateDir(paths.socketDir);
}
