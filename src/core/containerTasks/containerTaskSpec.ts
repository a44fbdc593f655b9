import type { TaskExecutable } from './containerTask.ts';

/** What the container-task worker is started with (`StartWorkerOptions.spec`). Holds no value of the environment. */
export interface ContainerTaskSpec {
  readonly runId: string;
  readonly taskId: string;
  readonly taskName: string;
  /** What the run's one step is called. */
  readonly title: string;
  readonly paths: TaskPaths;
  /** Where the listener listens: addresses of this machine, never all of them. */
  readonly listenHosts: readonly string[];
  /** How the program reaches the first of them. */
  readonly advertisedHost: string;
  /** Null where the container is the task. */
  readonly executable: TaskExecutable | null;
  readonly wantsContainer: boolean;
  /** Variables of the worker's own environment that are passed on to the executable. */
  readonly environmentNames: readonly string[];
  /** Working directory of the executable. */
  readonly cwd: string;
  readonly timeoutMs: number | null;
  readonly publicApi: boolean;
  readonly platform: string;
}

export interface TaskPaths {
  /** Private to this user; the executable's own files are below it. */
  readonly folder: string;
  /** Below a private folder, but open by itself: it is mounted into the container, whose users are not ours. */
  readonly socketFolder: string;
  /** Callbacks; `IPC_SOCKET_PATH` of a program on this machine. */
  readonly socket: string;
  /** Where the executable serves its routes. */
  readonly apiSocket: string;
  readonly endpointFile: string;
}

/** Where `socketFolder` is mounted in the container. */
export const containerSocketFolder = '/run/orchestration-workbench';

export const containerTaskWorkerKind = 'container-task';

/** What the core tells the worker. */
export const taskCommand = {
  /** `data`: `container_id`, `name`, `image`, `pod_address`. */
  containerStarted: 'container_started',
  /** `data`: `exit_code`, `reason`, `message`. */
  containerEnded: 'container_ended',
} as const;

/** What no program on this machine can do without; a task's program inherits nothing else that is not declared. */
export const platformVariables = ['PATH', 'LANG', 'SystemRoot', 'TEMP'] as const;

/** How a program learns where to call back. */
export function callbackEnvironment(
  taskId: string,
  endpoint: { readonly callbackUrl: string; readonly token: string },
  socket: string,
): Record<string, string> {
  return {
    ORCA_TASK_ID: taskId,
    PARENT_NODE_CALLBACK_URL: endpoint.callbackUrl,
    IPC_SOCKET_PATH: socket,
    ORCA_CALLBACK_TOKEN: endpoint.token,
  };
}
