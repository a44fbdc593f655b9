import type { ResourceLimits, ResourceUsage } from '../resources.ts';

/** A container of a session, as the engine has it. */
export interface Container {
  /** The engine's own. */
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly state: ContainerState;
  readonly health: 'unknown' | 'healthy' | 'unhealthy' | 'checking';
  readonly sessionId: string;
  readonly config: ContainerConfig;
  readonly resources?: ResourceUsage | undefined;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly startedAt?: number | undefined;
  readonly exitedAt?: number | undefined;
  readonly exitCode?: number | undefined;
}

export type ContainerState =
  | 'created'
  | 'running'
  | 'paused'
  | 'restarting'
  | 'exited'
  | 'removing'
  | 'unknown';

export interface ContainerConfig {
  readonly image: string;
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly workingDir: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly mounts: readonly ContainerMount[];
  readonly ports: readonly PortBinding[];
  readonly networkMode: string;
  readonly networks: readonly string[];
  readonly resources?: ResourceLimits | undefined;
  readonly restartPolicy?: RestartPolicy | undefined;
  readonly readOnlyRootfs: boolean;
  readonly removeOnStop: boolean;
}

export interface ContainerMount {
  readonly type: 'bind' | 'volume' | 'tmpfs';
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}

export interface PortBinding {
  readonly containerPort: number;
  /** 0 lets the engine choose. */
  readonly hostPort: number;
  readonly protocol: string;
  readonly hostIp: string;
}

export interface RestartPolicy {
  readonly name: string;
  readonly maximumRetryCount: number;
  readonly timeoutMs?: number | undefined;
}

export interface ContainerFilter {
  readonly sessionId?: string | undefined;
  readonly state?: ContainerState | undefined;
  /** Every pair must match. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
}
