import { type ChildProcess, spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { type ErrorShape, OrchestratorError } from '../base/errors.ts';
import { type EndpointFile, processHostProtocol } from '../protocol/processHost.ts';
import { readJson, readTail } from './files.ts';
import { ensurePrivateDir, type HostPaths } from './paths.ts';

export interface LaunchOptions {
  readonly paths: HostPaths;
  readonly distDir: string;
  readonly execPath: string;
  readonly idleExitMs: number | undefined;
}

const readyTimeoutMs = 20_000;

/** All that the host inherits: what finds programs, homes, languages and temporary folders, nothing of an editor. */
const inheritedVariables = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'LANG',
  'LC_ALL',
  'TZ',
  'TMPDIR',
  'XDG_RUNTIME_DIR',
  'SystemRoot',
  'TEMP',
  'TMP',
  'USERPROFILE',
  'LOCALAPPDATA',
];

/** The endpoint file where it is there and of our protocol. */
export function readEndpoint(paths: HostPaths): EndpointFile | undefined {
  const endpoint = readJson(paths.endpoint) as Partial<EndpointFile> | undefined;
  if (typeof endpoint?.socket !== 'string' || typeof endpoint.token !== 'string') return undefined;
  return endpoint.protocol === processHostProtocol ? (endpoint as EndpointFile) : undefined;
}

/** Undefined where nobody listens. */
export function openSocket(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
    socket.once('error', () => {
      resolve(undefined);
    });
  });
}

/**
 * Starts a host that outlives us.
 * @returns whether ours is the one: `false` where another start was quicker, whose endpoint appears soon.
 * @throws OrchestratorError process_host_failed_to_start, or the host's own reason.
 */
export async function launchHost({ paths, distDir, execPath, idleExitMs }: LaunchOptions): Promise<boolean> {
  ensurePrivateDir(paths.stateDir);
  const program = join(distDir, 'processHost.js');
  if (statSync(program, { throwIfNoEntry: false }) === undefined) {
    throw failed(paths, `${program} is missing. Install the product again.`);
  }
  const env: NodeJS.ProcessEnv = {};
  for (const name of inheritedVariables) {
    if (process.env[name] !== undefined) env[name] = process.env[name];
  }
  if (process.versions['electron'] !== undefined) env['ELECTRON_RUN_AS_NODE'] = '1';
  // A small young generation: the host's memory is what every fork of a terminal has to copy.
  const args = ['--max-semi-space-size=2', program, '--state-dir', paths.stateDir];
  if (idleExitMs !== undefined) args.push('--idle-exit-ms', String(idleExitMs));
  const child = spawn(execPath, args, {
    detached: true,
    cwd: '/',
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    windowsHide: true,
  });
  try {
    const line = await readReadyLine(child);
    const answer = JSON.parse(line) as { ready: boolean; error?: ErrorShape };
    if (answer.ready) return true;
    if (answer.error?.reason === 'state_in_use') return false;
    if (answer.error !== undefined && answer.error.reason !== 'internal') {
      throw OrchestratorError.fromShape(answer.error);
    }
    throw failed(paths, answer.error?.message ?? line);
  } catch (error) {
    if (OrchestratorError.is(error)) throw error;
    // It has told nothing, so it serves nobody.
    child.kill('SIGKILL');
    throw failed(paths, error instanceof Error ? error.message : String(error));
  } finally {
    child.unref();
    child.stdout.destroy();
    child.stderr.destroy();
  }
}

function readReadyLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = '';
    let errors = '';
    const timer = setTimeout(() => {
      reject(new Error(`It was not ready within ${readyTimeoutMs / 1_000} seconds. ${errors}`));
    }, readyTimeoutMs);
    const settle = (call: () => void): void => {
      clearTimeout(timer);
      call();
    };
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString('utf8');
      const end = output.indexOf('\n');
      if (end >= 0) {
        settle(() => {
          resolve(output.slice(0, end));
        });
      }
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      errors = (errors + chunk.toString('utf8')).slice(-2_000);
    });
    child.once('error', (error) => {
      settle(() => {
        reject(error);
      });
    });
    child.once('close', (code, signal) => {
      settle(() => {
        reject(new Error(`It ended with ${signal ?? code ?? 'no code'}. ${errors}`));
      });
    });
  });
}

export function failed(paths: HostPaths, why: string): OrchestratorError {
  const tail = readTail(paths.log, 2_000).trim();
  return new OrchestratorError(
    'UNAVAILABLE',
    'process_host_failed_to_start',
    `The process host, which runs terminals and tasks, did not start. ${why.trim()} Its log is ${paths.log}.`,
    { details: { log: paths.log, ...(tail === '' ? {} : { logTail: tail }) } },
  );
}
