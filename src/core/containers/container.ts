import type {
  ContainerHealth,
  ContainerMount,
  ContainerState,
  EngineInfo,
  HealthCheck,
  PortBinding,
  RestartPolicy,
} from '../ports/containerEngine.ts';
import type { ResourceLimits } from '../resources.ts';

/** A container of ours, as the core remembers it. */
export interface Container {
  /** The engine's own. */
  readonly id: string;
  /** The one that has it; undefined where that is not known. */
  readonly engine?: Pick<EngineInfo, 'id' | 'address'> | undefined;
  readonly sessionId: string;
  readonly name: string;
  readonly image: string;
  readonly state: ContainerState;
  readonly health: ContainerHealth;
  readonly config: ContainerConfig;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly startedAt?: number | undefined;
  /** Of its last start; undefined while it runs. */
  readonly exit?: ContainerExit | undefined;
  /** As they are bound: with the host ports that the engine chose. Empty unless it runs. */
  readonly ports: readonly PortBinding[];
  /** By network, the addresses that it has. */
  readonly addresses: Readonly<Record<string, string>>;
  /** What the engine said when it made it, such as limits that it cannot enforce. */
  readonly warnings: readonly string[];
}

export interface ContainerExit {
  readonly exitCode: number | null;
  readonly reason: ContainerExitReason;
  /** Milliseconds since the epoch. */
  readonly exitedAt: number;
  /** Why it did not start, in the engine's words. */
  readonly error?: string | undefined;
}

/** `lost` means that it was gone when we looked for it. */
export type ContainerExitReason = 'exited' | 'stopped' | 'killed' | 'out_of_memory' | 'start_failed' | 'lost';

/** What it was made with, defaults and limits of its session filled in. Without the values of its environment. */
export interface ContainerConfig {
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  /** Names only: values may be secrets, and are known to the engine alone. */
  readonly envNames: readonly string[];
  readonly workingDir?: string | undefined;
  readonly user?: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly mounts: readonly ContainerMount[];
  readonly ports: readonly PortBinding[];
  /** `none`, `bridge`, or the name of a network. */
  readonly network: string;
  readonly networks: readonly string[];
  readonly resources: ResourceLimits;
  readonly restart: RestartPolicy;
  readonly readOnlyRoot: boolean;
  readonly removeOnStop: boolean;
  readonly tty: boolean;
  readonly openInput: boolean;
  readonly health?: HealthCheck | undefined;
  /** It was warm when it was used: its program was told to a shell that waited, so that it cannot be started again. */
  readonly isWarm?: boolean | undefined;
}

export interface CreateContainerRequest {
  readonly sessionId: string;
  /** 1 to 120 characters; made from the image when missing. */
  readonly name?: string | undefined;
  readonly image: string;
  readonly entrypoint?: readonly string[] | undefined;
  readonly command?: readonly string[] | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly workingDir?: string | undefined;
  readonly user?: string | undefined;
  /** Of the caller's own; none may begin with `dev.orchestration-workbench.`. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly mounts?: readonly ContainerMount[] | undefined;
  readonly ports?: readonly PortBinding[] | undefined;
  /** `none` when missing; `bridge`, or a network of the session's or of its policy. Never `host`. */
  readonly network?: string | undefined;
  readonly networks?: readonly string[] | undefined;
  /** Further lines of /etc/hosts, `name:address`; `name:host-gateway` is the engine's machine. */
  readonly extraHosts?: readonly string[] | undefined;
  /** Within those of the session; what is 0 or missing gets the session's or the product's default. */
  readonly resources?: Partial<ResourceLimits> | undefined;
  readonly restart?: RestartPolicy | undefined;
  readonly readOnlyRoot?: boolean | undefined;
  readonly removeOnStop?: boolean | undefined;
  readonly tty?: boolean | undefined;
  readonly openInput?: boolean | undefined;
  /** It is started once and never again: one that waits in the pool may be used, where there is a pool. */
  readonly isWarmable?: boolean | undefined;
  readonly health?: HealthCheck | undefined;
  /** Over none, which is the default. */
  readonly capabilities?: readonly string[] | undefined;
  /**
   * What was allowed for this one container beyond its session's policy: by a person who was asked, or by a task's
   * manifest that a person has agreed to. A door never passes on what its client says here.
   */
  readonly allow?: ContainerGrant | undefined;
}

export interface ContainerGrant {
  readonly network?: boolean | undefined;
  readonly networks?: readonly string[] | undefined;
  /** Ports on addresses that other machines reach. */
  readonly publicPorts?: boolean | undefined;
  readonly volumeMount?: boolean | undefined;
  /** Files and folders with all below them, besides the session's directory. */
  readonly paths?: readonly string[] | undefined;
  readonly capabilities?: boolean | undefined;
  /** Where the session's policy asks for an approval of each container. */
  readonly approved?: boolean | undefined;
}

/** What is being made at the engine, written down before: a crash leaves this, and the engine's thing with its id. */
export interface EngineClaim {
  /** 32 hex characters; the label `dev.orchestration-workbench.claim` of what is made has it too. */
  readonly id: string;
  /** `warm` is a container that waits for its use, `command` one that runs in a container: both end with their core. */
  readonly kind: 'container' | 'warm' | 'network' | 'volume' | 'command';
  readonly sessionId: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Of a command; what it was told is not written down, since it may be a secret. */
  readonly command?: CommandClaim | undefined;
}

export interface CommandClaim {
  readonly containerId: string;
  readonly program: string;
  readonly user: string | undefined;
}

/** Whether a process of it is there, or will be again without our doing. */
export function isContainerLive({ state }: Pick<Container, 'state'>): boolean {
  return state === 'running' || state === 'paused' || state === 'restarting';
}
