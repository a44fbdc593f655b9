import type { TaskPaths } from '../containerTasks/containerTaskSpec.ts';

/** What the core needs of the machine for container tasks: their private folders, and calls to their programs. */
export interface ContainerTaskPlaces {
  /** Makes the task's private folders where they are missing; what it has stored in them stays. Error: `state_dir_unsafe`. */
  prepare(taskId: string): Promise<TaskPaths>;
  /** Makes a folder that a manifest wants to be there, unless it is. */
  makeFolder(path: string): Promise<void>;
  /** Where the listener of the current execution answers; undefined while there is none. */
  readEndpoint(taskId: string): Promise<TaskEndpoint | undefined>;
  /** Removes what only a living execution needs: its sockets and endpoint. */
  clear(taskId: string): Promise<void>;
  /** Removes everything of a task, what it has stored too. */
  remove(taskId: string): Promise<void>;
  /**
   * Asks the routes that the task's executable has registered. Errors: `task_not_running` where none listens,
   * `task_call_failed`.
   */
  request(taskId: string, request: TaskHttpRequest): Promise<TaskHttpResponse>;
  /** Asks the container of a task at `address` (`host:port`). Errors: `task_not_running`, `task_call_failed`. */
  podCall(address: string, request: TaskHttpRequest): Promise<TaskHttpResponse>;
}

/** Written by the worker, for this user only: it holds the token. */
export interface TaskEndpoint {
  readonly runId: string;
  /** By the host name as the program sees it, `PARENT_NODE_CALLBACK_URL` in full. */
  readonly callbackUrl: string;
  readonly token: string;
}

export interface TaskHttpRequest {
  readonly method: string;
  /** With a leading slash; the query too. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** For the whole call, in milliseconds; 15 minutes, as Orca has it, when missing. */
  readonly timeoutMs?: number | undefined;
  /** Gives the call up. */
  readonly signal?: AbortSignal | undefined;
}

export interface TaskHttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}
