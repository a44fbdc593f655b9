import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { OrchestratorError } from '../../base/errors.ts';
import type { EngineInfo, InitializeOptions } from '../../core/ports/containerEngine.ts';
import type { EngineFinder } from './engineFinder.ts';

const run = promisify(execFile);
/** A virtual machine boots in this time, or does not. */
const machineLimitMs = 5 * 60_000;
const answerLimitMs = 60_000;
const pollMs = 500;

/** What programs are called with. */
type Environment = Readonly<Record<string, string | undefined>>;

/** Finds an engine, starts Podman's machine if there is one and the person agrees, and waits until it answers. */
export async function initializeEngine(
  finder: EngineFinder,
  env: Environment,
  options: InitializeOptions = {},
): Promise<EngineInfo> {
  const { onProgress = () => undefined, signal } = options;
  onProgress('Looking for a container engine');
  let failure: OrchestratorError;
  try {
    return await abortable(finder.probe(), signal);
  } catch (error) {
    failure = OrchestratorError.from(error);
    if (failure.reason !== 'container_engine_missing') throw failure;
  }
  // Where the person has chosen another engine, nothing that is started here would help.
  if (!finder.isByDefault() && !finder.mayBePodmanMachine()) throw failure;
  const machine = await podmanMachine(env);
  if (machine === undefined) throw await explained(failure, env);
  if (machine.isRunning) throw withHint(failure, restartHint(machine.name));
  const question = `Podman's machine "${machine.name}" is not running. Start it?`;
  if ((await options.mayStart?.(question)) !== true) {
    throw new OrchestratorError(
      'FAILED_PRECONDITION',
      'container_engine_missing',
      `Podman's machine "${machine.name}" is not running. Start it: podman machine start ${machine.name}`,
    );
  }
  onProgress(`Starting Podman's machine "${machine.name}"`);
  await startMachine(machine.name, env, signal);
  onProgress('Waiting for the container engine to answer');
  return waitForAnswer(finder, signal);
}

/** The search goes on where it is given up: others may wait for it. */
async function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  // Whoever has given it up does not hear of its failure either.
  work.catch(() => undefined);
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(new DOMException('Aborted', 'AbortError'));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

interface Machine {
  readonly name: string;
  readonly isRunning: boolean;
}

/** Podman's machine, where it needs one: undefined without Podman, and on Linux where it has none. */
async function podmanMachine(env: Environment): Promise<Machine | undefined> {
  try {
    const { stdout } = await run('podman', ['machine', 'list', '--format', 'json'], {
      env: { ...env },
      timeout: 10_000,
    });
    const machines = JSON.parse(stdout) as { Name?: string; Running?: boolean; Default?: boolean }[];
    const machine = machines.find((each) => each.Default === true) ?? machines[0];
    if (machine?.Name === undefined) return undefined;
    return { name: machine.Name.replace(/\*$/, ''), isRunning: machine.Running === true };
  } catch {
    return undefined;
  }
}

async function startMachine(name: string, env: Environment, signal: AbortSignal | undefined): Promise<void> {
  try {
    await run('podman', ['machine', 'start', '--', name], {
      env: { ...env },
      timeout: machineLimitMs,
      signal,
    });
  } catch (error) {
    signal?.throwIfAborted();
    const words = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : String(error);
    throw new OrchestratorError(
      'FAILED_PRECONDITION',
      'container_engine_missing',
      `Podman's machine "${name}" did not start: ${words}`,
      { cause: error },
    );
  }
}

async function waitForAnswer(finder: EngineFinder, signal: AbortSignal | undefined): Promise<EngineInfo> {
  const deadline = Date.now() + answerLimitMs;
  for (;;) {
    try {
      return await abortable(finder.probe(), signal);
    } catch (error) {
      if (Date.now() > deadline || signal?.aborted === true) throw error;
    }
    await delay(pollMs, undefined, signal === undefined ? {} : { signal });
  }
}

/** The failure, with what is installed and what to do about it on this system. */
async function explained(failure: OrchestratorError, env: Environment): Promise<OrchestratorError> {
  const [docker, podman] = await Promise.all([isInstalled('docker', env), isInstalled('podman', env)]);
  return withHint(failure, hintFor(process.platform, docker, podman), { docker, podman });
}

function withHint(
  failure: OrchestratorError,
  hint: string,
  details: Readonly<Record<string, unknown>> = {},
): OrchestratorError {
  return new OrchestratorError(failure.code, failure.reason, `${failure.message} ${hint}`, {
    cause: failure,
    details: { ...failure.details, ...details },
  });
}

function restartHint(name: string): string {
  return `Podman's machine "${name}" is running: podman machine stop ${name}, then podman machine start ${name}`;
}

function hintFor(platform: NodeJS.Platform, docker: boolean, podman: boolean): string {
  const hints: string[] = [];
  if (docker) {
    hints.push(
      platform === 'linux'
        ? 'Docker is installed: sudo systemctl start docker'
        : 'Docker is installed: start Docker Desktop',
    );
  }
  if (podman) {
    hints.push(
      platform === 'linux'
        ? 'Podman is installed: systemctl --user start podman.socket'
        : 'Podman is installed and has no machine yet: podman machine init',
    );
  }
  if (hints.length > 0) return hints.join('; ');
  return 'Neither Docker nor Podman is installed: see docs.docker.com/engine/install or podman.io.';
}

async function isInstalled(program: string, env: Environment): Promise<boolean> {
  try {
    await run(program, ['--version'], { env: { ...env }, timeout: 10_000 });
    return true;
  } catch {
    return false;
  }
}
