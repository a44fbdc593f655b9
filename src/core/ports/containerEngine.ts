import type { Disposable } from '../../base/disposable.ts';
import type { Event } from '../../base/emitter.ts';
import type { ResourceLimits, ResourceUsage } from '../resources.ts';

/**
 * A container engine that speaks the Docker Engine API: Docker, or Podman's compatible socket. It knows nothing of
 * sessions and decides nothing. Errors of every call: `container_engine_missing` where none can be reached,
 * `container_engine_failed` with the engine's own words where it refuses, and with the code UNAVAILABLE where it hung
 * up and nobody knows whether it has done it.
 */
export interface ContainerEngine extends Disposable {
  /** The engine that answered last; undefined before the first answer and after the connection was lost. */
  readonly info: EngineInfo | undefined;
  readonly onDidChangeInfo: Event<EngineInfo | undefined>;
  /** Finds an engine and asks what it can do. Starts nothing. */
  probe(): Promise<EngineInfo>;
  /**
   * Makes an engine ready as far as a program may: finds one, starts what has to be started if `mayStart` agrees, and
   * waits for it. The error says exactly what is missing and what to do.
   */
  initialize(options?: InitializeOptions): Promise<EngineInfo>;

  createContainer(spec: EngineContainerSpec): Promise<CreatedContainer>;
  startContainer(id: string): Promise<void>;
  /** Ends it with its stop signal, and by force after `graceMs`. Resolves when it has stopped. */
  stopContainer(id: string, graceMs: number): Promise<void>;
  killContainer(id: string, signal: string): Promise<void>;
  pauseContainer(id: string): Promise<void>;
  unpauseContainer(id: string): Promise<void>;
  /** Also while it runs; with its anonymous volumes. One that is not there is removed already. */
  removeContainer(id: string): Promise<void>;
  resizeContainer(id: string, cols: number, rows: number): Promise<void>;
  /** Undefined where there is none. */
  inspectContainer(id: string): Promise<EngineContainer | undefined>;
  /** What the engine tells, as it tells it, but for the values of the environment: for a person. Error: `container_not_found`. */
  inspectRaw(id: string): Promise<unknown>;
  /** Those that carry every one of the labels, ended ones too. */
  listContainers(labels: Readonly<Record<string, string>>): Promise<EngineContainerSummary[]>;
  /** Resolves once the engine has attached: what the container prints from then on arrives. */
  attach(id: string, options: OutputOptions, sink: StreamSink): Promise<EngineStream>;
  /** From the first byte that the engine has kept, on to the container's end. */
  followLogs(id: string, options: OutputOptions, sink: StreamSink): Promise<EngineStream>;
  /** Writes to the container's standard input, which it must have been made with. */
  openInput(id: string): Promise<EngineInput>;
  /** Measured over about a second. */
  usage(id: string): Promise<ResourceUsage>;
  /** About once a second, until it is disposed or the container ends. */
  watchUsage(id: string, onUsage: (usage: ResourceUsage) => void): Promise<Disposable>;

  /** Resolves once the command runs. */
  exec(id: string, spec: ExecSpec, sink: StreamSink): Promise<EngineExec>;

  listImages(labels?: Readonly<Record<string, string>>): Promise<EngineImage[]>;
  /** Undefined where there is none. */
  inspectImage(reference: string): Promise<EngineImage | undefined>;
  pullImage(reference: string, options?: ImageTaskOptions): Promise<void>;
  /** Builds from a folder of this machine, without what its .dockerignore names. @returns the image's id. */
  buildImage(options: BuildImageOptions): Promise<string>;
  /** Makes an image of a root file system: a tar file, or a folder. @returns the image's id. */
  importImage(options: ImportImageOptions): Promise<string>;
  removeImage(reference: string): Promise<void>;

  createNetwork(options: NetworkSpec): Promise<string>;
  listNetworks(labels: Readonly<Record<string, string>>): Promise<EngineNetwork[]>;
  /** One that is not there is removed already. */
  removeNetwork(id: string): Promise<void>;
  createVolume(options: VolumeSpec): Promise<void>;
  listVolumes(labels: Readonly<Record<string, string>>): Promise<EngineVolume[]>;
  /** One that is not there is removed already. */
  removeVolume(name: string): Promise<void>;

  /** A hint that something happened to what carries the label; some are missed, so it is never the truth. */
  watch(label: string, sink: EngineEventSink): Promise<Disposable>;
}

export interface EngineInfo {
  /** The same by whatever address it is reached, and another for any other engine. */
  readonly id: string;
  readonly kind: 'docker' | 'podman';
  readonly version: string;
  readonly apiVersion: string;
  /** For people: `unix:///var/run/docker.sock`. Never with a secret in it. */
  readonly address: string;
  /** Where the address was found: for `doctor`. */
  readonly foundBy: string;
  /** Whether the engine sees the files of this machine at the same paths. */
  readonly isLocal: boolean;
  /** Its socket on this machine, which no container may be given. */
  readonly socketPath: string | undefined;
  readonly os: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly cgroupVersion: string;
  readonly isRootless: boolean;
  /** Limits that this engine does not enforce, such as `swap`. */
  readonly missing: readonly string[];
}

export interface InitializeOptions {
  /** What is being done, for a progress notification. */
  readonly onProgress?: ((message: string) => void) | undefined;
  /** Asked before anything is started; without it nothing is. */
  readonly mayStart?: ((question: string) => Promise<boolean>) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface EngineContainerSpec {
  readonly name: string;
  readonly image: string;
  /** Over the image's; its own when empty. */
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly workingDir: string | undefined;
  readonly user: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly mounts: readonly ContainerMount[];
  readonly ports: readonly PortBinding[];
  /** `none`, `bridge`, or the name of a network. */
  readonly network: string;
  /** Further networks that it joins. */
  readonly networks: readonly string[];
  readonly extraHosts: readonly string[];
  readonly resources: ResourceLimits;
  readonly restart: RestartPolicy;
  readonly readOnlyRoot: boolean;
  readonly tty: boolean;
  readonly openInput: boolean;
  readonly health: HealthCheck | undefined;
  /** Capabilities over none. */
  readonly capabilities: readonly string[];
}

export interface ContainerMount {
  readonly type: 'bind' | 'volume' | 'tmpfs';
  /** A path of the engine's machine, the name of a volume; empty with tmpfs. */
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}

export interface PortBinding {
  readonly containerPort: number;
  /** 0 lets the engine choose. */
  readonly hostPort: number;
  readonly protocol: 'tcp' | 'udp';
  /** Loopback when empty. */
  readonly hostIp: string;
}

export interface RestartPolicy {
  readonly name: 'no' | 'on-failure' | 'always' | 'unless-stopped';
  readonly maximumRetryCount: number;
}

export interface HealthCheck {
  readonly command: readonly string[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly retries: number;
  readonly startPeriodMs: number;
}

export interface CreatedContainer {
  readonly id: string;
  readonly warnings: readonly string[];
}

/** Contract 001's words, which are Docker's own. */
export type ContainerState =
  | 'created'
  | 'running'
  | 'paused'
  | 'restarting'
  | 'exited'
  | 'removing'
  | 'unknown';

export type ContainerHealth = 'none' | 'starting' | 'healthy' | 'unhealthy';

export interface EngineContainerSummary {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly state: ContainerState;
  readonly labels: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

export interface EngineContainer extends EngineContainerSummary {
  readonly health: ContainerHealth;
  readonly startedAt: number | undefined;
  readonly exitedAt: number | undefined;
  readonly exitCode: number | undefined;
  readonly isOutOfMemory: boolean;
  /** Why it did not start. */
  readonly error: string;
  readonly restarts: number;
  readonly pid: number;
  readonly tty: boolean;
  /** As they are bound: with the host ports that the engine chose. */
  readonly ports: readonly PortBinding[];
  /** By network, the addresses that it has. */
  readonly addresses: Readonly<Record<string, string>>;
}

export interface OutputOptions {
  /** Whether it was made with a terminal: then its output is one stream. */
  readonly tty: boolean;
}

export type OutputStream = 'stdout' | 'stderr';

export interface StreamSink {
  /** A slow sink answers with a promise; nothing more comes until it resolves. */
  onData(stream: OutputStream, data: Uint8Array): void | Promise<void>;
  /** The last call: everything that there was has been given. The error where the connection broke. */
  onEnd(error?: Error): void;
}

/** Disposing it ends the connection, never the program. */
export type EngineStream = Disposable;

export interface EngineInput extends Disposable {
  write(data: Uint8Array): Promise<void>;
}

export interface ExecSpec {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly workingDir: string | undefined;
  readonly user: string | undefined;
  readonly tty: boolean;
  readonly cols: number;
  readonly rows: number;
  readonly openInput: boolean;
}

export interface EngineExec extends Disposable {
  readonly id: string;
  write(data: Uint8Array): Promise<void>;
  /** Closes its standard input. */
  endInput(): void;
  resize(cols: number, rows: number): Promise<void>;
  /** After the last output. Undefined where the engine cannot tell any more. */
  readonly exitCode: Promise<number | undefined>;
}

export interface EngineImage {
  readonly id: string;
  readonly tags: readonly string[];
  readonly sizeBytes: number;
  readonly createdAt: number;
  readonly labels: Readonly<Record<string, string>>;
  /** What it starts by itself; known where it was inspected. */
  readonly start?: ImageStart | undefined;
}

export interface ImageStart {
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
}

export interface ImageTaskOptions {
  readonly onProgress?: ((progress: ImageProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ImageProgress {
  readonly message: string;
  /** Bytes done and to do, over all layers that are known so far. */
  readonly current?: number | undefined;
  readonly total?: number | undefined;
}

export interface BuildImageOptions extends ImageTaskOptions {
  /** Absolute folder of this machine. */
  readonly folder: string;
  /** Relative to it; `Dockerfile` when missing. */
  readonly dockerfile?: string | undefined;
  readonly tag: string;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly buildArgs?: Readonly<Record<string, string>> | undefined;
}

export interface ImportImageOptions extends ImageTaskOptions {
  /** A tar file (also compressed), or a folder. */
  readonly path: string;
  readonly tag: string;
}

export interface NetworkSpec {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Without a way out. */
  readonly isInternal: boolean;
}

export interface EngineNetwork {
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Of the engine's machine, as containers of this network see it. */
  readonly gateway: string | undefined;
}

export interface VolumeSpec {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

export type EngineVolume = VolumeSpec;

export interface EngineEventSink {
  onEvent(event: EngineEvent): void;
  /** The connection broke; nothing more comes. */
  onEnd(error?: Error): void;
}

export interface EngineEvent {
  /** `create`, `start`, `die`, `oom`, `destroy`, `health_status: healthy` … as the engine says it. */
  readonly action: string;
  readonly containerId: string;
}
