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
  readonly address: EngineAddress;
  readonly agent: Agent;
  readonly calls: PendingCalls;
}

/** Calls that wait for an answer. Where a connection breaks within an answer, Node's client says nothing more. */
class PendingCalls {
  private readonly rejects = new Set<(error: Error) => void>();

  async untilLost<T>(call: Promise<T>): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    this.rejects.add(reject);
    try {
      return await Promise.race([call, promise]);
    } finally {
      this.rejects.delete(reject);
    }
  }

  lose(): void {
    const error = Object.assign(new Error('The connection was lost.'), { code: 'ECONNRESET' });
    for (const reject of [...this.rejects]) reject(error);
  }
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

  /** Whether the person has left the choice to us. */
  isByDefault(): boolean {
    return this.addresses().every(({ foundBy }) => foundBy.startsWith('the default'));
  }

  /** Whether what was chosen is a socket of Podman's on this machine. */
  mayBePodmanMachine(): boolean {
    return this.addresses().every(({ url }) => isLocal(url) && url.includes('podman'));
  }

  /** The engine that answered last, or the first one that answers. Error: `container_engine_missing`. */
  connect(): Promise<ConnectedEngine> {
    if (this.engine !== undefined) return Promise.resolve(this.engine);
    this.search ??= this.find().finally(() => (this.search = undefined));
    return this.search;
  }

  /** Asks anew. An engine that still answers, and is still the one that is meant, keeps its connections. */
  async probe(): Promise<EngineInfo> {
    const { engine } = this;
    if (engine === undefined) return (await this.connect()).info;
    try {
      const address = this.addresses().find(({ url }) => url === engine.address.url);
      if (address !== undefined) await withLimit(readInfo(engine.docker, address));
      if (address !== undefined && this.engine === engine) return engine.info;
    } catch {
      // The search tells what is wrong.
    }
    this.lose(engine);
    return (await this.connect()).info;
  }

  /** Whether it does not answer any more, and not only one connection to it broke: then it is lost. */
  async isGone(engine: ConnectedEngine): Promise<boolean> {
    if (this.engine !== engine) return true;
    try {
      await withLimit(engine.docker.ping());
      return false;
    } catch {
      this.lose(engine);
      return true;
    }
  }

  /** It does not answer any more: the next call looks again. */
  lose(engine: ConnectedEngine): void {
    if (this.engine !== engine) return;
    this.engine = undefined;
    engine.agent.destroy();
    engine.calls.lose();
    if (!this.isDisposed) this.onChange(undefined);
  }

  dispose(): void {
    this.isDisposed = true;
    if (this.engine !== undefined) this.lose(this.engine);
  }

  private async find(): Promise<ConnectedEngine> {
    const addresses = this.addresses();
    const { env } = this.sources();
    const heavy = await import('./dockerode.ts');
    const failures: string[] = [];
    for (const address of addresses) {
      const { options, agent } = dockerOptions(address, env);
      const docker = new heavy.Docker(options);
      try {
        const info = await withLimit(readInfo(docker, address));
        if (this.isDisposed) throw new Error('It was closed.');
        this.engine = { docker, heavy, info, address, agent, calls: new PendingCalls() };
        this.onChange(info);
        return this.engine;
      } catch (error) {
        agent.destroy();
        failures.push(`${describeAddress(address.url)} (${address.foundBy}): ${explain(error, address)}`);
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

/** What is wrong there, and where it helps, what to do about it. */
function explain(error: unknown, { url, tls }: EngineAddress): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const words = engineWords(error);
  switch (code) {
    case 'EACCES':
      return 'you may not use it; add yourself to its group (sudo usermod -aG docker, then your name) and log in anew';
    case 'ECONNREFUSED':
      return 'nobody listens there';
    case 'ENOENT':
      return 'there is no such socket';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'there is no such host';
  }
  if (/certificate required|bad certificate|handshake failure/i.test(words)) {
    return `it wants a certificate of yours (${words}); set DOCKER_CERT_PATH to the folder with cert.pem and key.pem`;
  }
  if (/HTTP request to an HTTPS server/i.test(words)) {
    return 'it speaks TLS only; set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to the folder with its certificates';
  }
  if (tls !== undefined && /^(ERR_SSL_WRONG_VERSION_NUMBER|EPROTO)$/.test(code)) {
    return 'it does not speak TLS; unset DOCKER_TLS_VERIFY and DOCKER_CERT_PATH if that is meant';
  }
  if (/^(UNABLE_|SELF_SIGNED|DEPTH_ZERO|CERT_|ERR_TLS_CERT)/.test(code)) {
    return `its certificate is not trusted (${words}); is the right ca.pem in DOCKER_CERT_PATH or the context?`;
  }
  if (isTcp(url) && words === 'socket hang up') return 'it closed the connection; does it speak TLS?';
  return words;
}

async function withLimit<T>(answer: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(new Error(`it did not answer within ${probeLimitMs / 1_000} s`));
  }, probeLimitMs);
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** What the engine tells of itself that its types do not know. */
interface MoreInfo {
  readonly ID?: string;
  readonly Name?: string;
  readonly DockerRootDir?: string;
  readonly CgroupVersion?: string;
  readonly SecurityOptions?: readonly string[] | null;
}

async function readInfo(docker: Dockerode, address: EngineAddress): Promise<EngineInfo> {
  const [version, info] = await Promise.all([
    docker.version(),
    docker.info() as Promise<Record<string, unknown> & MoreInfo>,
  ]);
  const components = (version.Components as { Name: string }[] | null | undefined) ?? [];
  const limits = {
    memory: 'MemoryLimit',
    swap: 'SwapLimit',
    pids: 'PidsLimit',
    cpu: 'CpuCfsQuota',
  };
  const kind = components.some(({ Name }) => /podman/i.test(Name)) ? 'podman' : 'docker';
  // Several daemons of a machine may share Docker's id, and Podman makes up a new one for each answer.
  const identity = kind === 'docker' ? info.ID : info.Name;
  return {
    id: `${identity ?? ''} ${info.DockerRootDir ?? ''}`,
    kind,
    version: version.Version,
    apiVersion: version.ApiVersion,
    address: describeAddress(address.url),
    foundBy: address.foundBy,
    isLocal: isLocal(address.url),
    socketPath: isLocal(address.url) ? socketPathOf(address.url) : undefined,
    os: version.Os,
    cpus: numberOf(info['NCPU']),
    memoryBytes: numberOf(info['MemTotal']),
    cgroupVersion: info.CgroupVersion ?? '1',
    isRootless: (info.SecurityOptions ?? []).some((option) => option.includes('rootless')),
    missing: Object.entries(limits).flatMap(([name, key]) => (info[key] === false ? [name] : [])),
  };
}

function isLocal(url: string): boolean {
  return !isTcp(url) && !url.startsWith('ssh:');
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
