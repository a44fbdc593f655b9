import type { RestartPolicy } from './restartPolicy.ts';

/**
 * A container task: what a manifest declares, and what became of it. Each execution of it is a run. (An agent task is
 * another thing: work that is given to a registered agent.)
 */
export interface ContainerTask {
  /** The manifest's own id, which the program gets as `ORCA_TASK_ID`; one task of an id in an installation. */
  readonly id: string;
  readonly name: string;
  readonly sessionId: string;
  readonly manifest: ContainerTaskManifest;
  readonly state: ContainerTaskState;
  /** The newest execution. */
  readonly runId?: string | undefined;
  /** Its end was asked for: whatever this execution ends with, none follows. Only while `running`. */
  readonly isStopping?: boolean | undefined;
  /** Failures in a row, since the last that ran stably. */
  readonly failures: number;
  /** When the next try is due, in milliseconds since the epoch; only while `waiting`. */
  readonly nextStartAt?: number | undefined;
  /** Why it failed, for a person; only of `waiting` and `failed`. */
  readonly error?: string | undefined;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/**
 * `running` covers the wait for a worker too, its run tells; `waiting` is the time before another try; `stopped` was
 * asked for.
 */
export type ContainerTaskState = 'running' | 'waiting' | 'stopped' | 'succeeded' | 'failed';

export function isContainerTaskLive({ state }: Pick<ContainerTask, 'state'>): boolean {
  return state === 'running' || state === 'waiting';
}

export interface StartContainerTaskRequest {
  readonly manifest: ContainerTaskManifest;
  readonly sessionId: string;
  /**
   * A person has seen the manifest and wants it: then its container gets the network and the mounts that it asks for.
   * Otherwise only what the session's policy allows.
   */
  readonly isAgreed: boolean;
}

export interface ContainerTaskManifest {
  /** 1 to 100 characters: letters, digits, `.`, `_`, `-`. */
  readonly id: string;
  readonly name: string;
  /** Understood: `{"type": "ADDON", "value": "ORCA_TASK"}`; others are kept. */
  readonly requirements: readonly TaskRequirement[];
  /** The program of the task's own. Without it, the container is the task. */
  readonly executable?: TaskExecutable | undefined;
  readonly container?: TaskContainer | undefined;
  /** The whole environment of the program and of the container, besides what is injected. */
  readonly environment: Readonly<Record<string, string>>;
  /**
   * Names whose values are taken from the environment that the core has at each start, for secrets: a manifest and
   * what is kept of it hold only the names.
   */
  readonly inheritedEnvironment: readonly string[];
  readonly restart: RestartPolicy;
  /** One execution at most, in milliseconds; none when missing. */
  readonly timeoutMs?: number | undefined;
  /** Whether routes that the executable registers are served to others. */
  readonly publicApi: boolean;
}

export interface TaskRequirement {
  readonly type: string;
  readonly value: string;
  readonly description?: string | undefined;
}

export type TaskExecutable =
  /** A JavaScript file that is given `namespace`. */
  | { readonly type: 'node'; readonly file: string; readonly args: readonly string[] }
  /** Any program on this machine; it only calls back. */
  | { readonly type: 'command'; readonly command: readonly string[] };

export interface TaskContainer {
  /** Full name of the image, e.g. `docker.io/library/python:3`. */
  readonly image: string;
  /** Over the image's own entry point. */
  readonly entrypoint?: readonly string[] | undefined;
  readonly command?: readonly string[] | undefined;
  readonly workingDirectory?: string | undefined;
  /** `none` leaves only the Unix socket. */
  readonly network: 'bridge' | 'none';
  /** The port on which it answers `podCall`; 8080 by contract. Published on loopback only; null publishes nothing. */
  readonly podPort: number | null;
  readonly mounts: readonly TaskMount[];
  /** Whole and parts of processors; none when missing. */
  readonly cpus?: number | undefined;
  readonly memoryBytes?: number | undefined;
  readonly pidsLimit?: number | undefined;
}

export interface TaskMount {
  /** Absolute path on this machine; checked against the session's policy. */
  readonly source: string;
  /** Absolute path in the container. */
  readonly target: string;
  readonly isReadOnly: boolean;
  /** A folder that is made on this machine where it is not there. */
  readonly isMade?: boolean | undefined;
}
