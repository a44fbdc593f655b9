import type { Agent } from 'node:http';
import type Dockerode from 'dockerode';
import type { Disposable } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { EngineInfo } from '../../core/ports/containerEngine.ts';
import { dockerOptions, socketPathOf } from './connection.ts';
import type * as Heavy from './dockerode.ts';
import {
  type AddressSources,
  describeAddress,
  type EngineAddress,
  engineAddresses,
  isTcp,
} from './engineAddress.ts';
import { engineWords } from './engineErrors.ts';

export interface ConnectedEngine {
  readonly docker: Dockerode;
  readonly heavy: typeof Heavy;
  readonly info: EngineInfo;
  readonly agent: Agent;
}

/** How long an engine may take to say who it is; an ssh connection is part of that. */
const probeLimitMs = 15_000;

/** Finds the engine and keeps the connections to it, until one of them breaks. */
export class EngineFinder implements Disposable {
  private readonly sources: () => AddressSources;
  private readonly onChange: (info: EngineInfo | undefined) => void;
  private engine: ConnectedEngine | undefined;
  private search: Promise<ConnectedEngine> | undefined;
  private isDisposed = false;

  constructor(sources: () => AddressSources, onChange: (info: EngineInfo | undefined) => void) {
    this.sources = sources;
    this.onChange = onChange;
  }

  get info(): EngineInfo | undefined {
    return this.engine?.info;
  }

  /** Where it is looked for. */
  addresses(): readonly EngineAddress[] {
    return engineAddresses(this.sources());
  }

  /** The engine that answered last, or the first one that answers. Error: `container_engine_missing`. */
  connect(): Promise<ConnectedEngine> {
    if (this.engine !== undefined) return Promise.resolve(this.engine);
    this.search ??= this.find().finally(() => (this.search = undefined));
    return this.search;
  }

  /** Asks anew. */
  async probe(): Promise<EngineInfo> {
    if (this.engine !== undefined) this.lose(this.engine);
    return (await this.connect()).info;
  }

  /** It does not answer any more: the next call looks again. */
  lose(engine: ConnectedEngine): void {
    if (this.engine !== engine) return;
    this.engine = undefined;
    engine.agent.destroy();
    if (!this.isDisposed) this.onChange(undefined);
  }

  dispose(): void {
    this.isDisposed = true;
    this.engine?.agent.destroy();
    this.engine = undefined;
  }

  private async find(): Promise<ConnectedEngine> {
    const addresses = this.addresses();
    const heavy = await import('./dockerode.ts');
    const failures: string[] = [];
    for (const address of addresses) {
      const { options, agent } = dockerOptions(address);
      const docker = new heavy.Docker(options);
      try {
        const info = await withLimit(readInfo(docker, address), address);
        if (this.isDisposed) throw new Error('It was closed.');
        this.engine = { docker, heavy, info, agent };
        this.onChange(info);
        return this.engine;
      } catch (error) {
        agent.destroy();
        failures.push(`${describeAddress(address.url)} (${address.foundBy}): ${explain(error)}`);
      }
    }
    throw missing(failures);
  }
}

function missing(failures: readonly string[]): OrchestratorError {
  const message =
    failures.length === 0
      ? 'There is no container engine: no socket of Docker or Podman was found. Install and start one of them, or ' +
        'set the address of one (setting orchestrator.containers.engine, or DOCKER_HOST).'
      : `No container engine answers. ${failures.join('; ')}. Start it, or choose another one (setting ` +
        'orchestrator.containers.engine, or DOCKER_HOST).';
  return new OrchestratorError('FAILED_PRECONDITION', 'container_engine_missing', message, {
    details: { tried: failures },
  });
}

function explain(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'EACCES') return 'you may not use it; are you in its group?';
  if (code === 'ECONNREFUSED') return 'nobody listens there; is it started?';
  if (code === 'ENOENT') return 'there is no such socket; is it started?';
  return engineWords(error);
}

async function withLimit<T>(answer: Promise<T>, address: EngineAddress): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(new Error(`it did not answer within ${probeLimitMs / 1_000} s`));
  }, probeLimitMs);
  // Whoever comes second is not waited for any more.
  answer.catch(() => address);
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** What the engine tells of itself that its types do not know. */
interface MoreInfo {
  readonly CgroupVersion?: string;
  readonly SecurityOptions?: readonly string[] | null;
}

async function readInfo(docker: Dockerode, address: EngineAddress): Promise<EngineInfo> {
  const [version, info] = await Promise.all([
    docker.version(),
    docker.info() as Promise<Record<string, unknown> & MoreInfo>,
  ]);
  const components = (version.Components as { Name: string }[] | null | undefined) ?? [];
  const isLocal = !isTcp(address.url) && !address.url.startsWith('ssh:');
  const limits = {
    memory: 'MemoryLimit',
    swap: 'SwapLimit',
    pids: 'PidsLimit',
    cpu: 'CpuCfsQuota',
  };
  return {
    kind: components.some(({ Name }) => /podman/i.test(Name)) ? 'podman' : 'docker',
    version: version.Version,
    apiVersion: version.ApiVersion,
    address: describeAddress(address.url),
    foundBy: address.foundBy,
    isLocal,
    socketPath: isLocal ? socketPathOf(address.url) : undefined,
    os: version.Os,
    cpus: numberOf(info['NCPU']),
    memoryBytes: numberOf(info['MemTotal']),
    cgroupVersion: info.CgroupVersion ?? '1',
    isRootless: (info.SecurityOptions ?? []).some((option) => option.includes('rootless')),
    missing: Object.entries(limits).flatMap(([name, key]) => (info[key] === false ? [name] : [])),
  };
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
