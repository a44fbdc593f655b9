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

/** Finds an engine, starts Podman's machine if there is one and the person agrees, and waits until it answers. */
export async function initializeEngine(
  finder: EngineFinder,
  options: InitializeOptions = {},
): Promise<EngineInfo> {
  const { onProgress = () => undefined, signal } = options;
  onProgress('Looking for a container engine');
  let failure: OrchestratorError;
  try {
    return await finder.probe();
  } catch (error) {
    failure = OrchestratorError.from(error);
    if (failure.reason !== 'container_engine_missing') throw failure;
  }
  signal?.throwIfAborted();
  const machine = await podmanMachine();
  if (machine === undefined) throw await explained(failure);
  if (machine.isRunning) throw failure;
  const question = `Podman's machine "${machine.name}" is not running. Start it?`;
  if ((await options.mayStart?.(question)) !== true) {
    throw new OrchestratorError(
      'FAILED_PRECONDITION',
      'container_engine_missing',
      `Podman's machine "${machine.name}" is not running. Start it: podman machine start ${machine.name}`,
    );
  }
  onProgress(`Starting Podman's machine "${machine.name}"`);
  await startMachine(machine.name, signal);
  onProgress('Waiting for the container engine to answer');
  return waitForAnswer(finder, signal);
}

interface Machine {
  readonly name: string;
  readonly isRunning: boolean;
}

/** Podman's machine, where it needs one: undefined without Podman, and on Linux where it has none. */
async function podmanMachine(): Promise<Machine | undefined> {
  try {
    const { stdout } = await run('podman', ['machine', 'list', '--format', 'json'], { timeout: 10_000 });
    const machines = JSON.parse(stdout) as { Name?: string; Running?: boolean; Default?: boolean }[];
    const machine = machines.find((each) => each.Default === true) ?? machines[0];
    if (machine?.Name === undefined) return undefined;
    return { name: machine.Name.replace(/\*$/, ''), isRunning: machine.Running === true };
  } catch {
    return undefined;
  }
}

async function startMachine(name: string, signal: AbortSignal | undefined): Promise<void> {
  try {
    await run('podman', ['machine', 'start', '--', name], { timeout: machineLimitMs, signal });
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
      return await finder.probe();
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await delay(pollMs, undefined, signal === undefined ? {} : { signal });
  }
}

/** The failure, with what is installed and what to do about it on this system. */
async function explained(failure: OrchestratorError): Promise<OrchestratorError> {
  const [docker, podman] = await Promise.all([isInstalled('docker'), isInstalled('podman')]);
  const hint = hintFor(process.platform, docker, podman);
  return new OrchestratorError(failure.code, failure.reason, `${failure.message} ${hint}`, {
    cause: failure,
    details: { ...failure.details, docker, podman },
  });
}

function hintFor(platform: NodeJS.Platform, docker: boolean, podman: boolean): string {
  if (podman && platform !== 'linux') {
    return 'Podman is installed and has no machine yet: podman machine init';
  }
  if (podman) return 'Podman is installed: systemctl --user start podman.socket';
  if (docker) {
    return platform === 'linux'
      ? 'Docker is installed: sudo systemctl start docker'
      : 'Docker is installed: start Docker Desktop.';
  }
  return 'Neither Docker nor Podman is installed: see docs.docker.com/engine/install or podman.io.';
}

async function isInstalled(program: string): Promise<boolean> {
  try {
    await run(program, ['--version'], { timeout: 10_000 });
    return true;
  } catch {
    return false;
  }
}
