import type { Priority } from '../events/event.ts';

/** A unit of work given to a registered agent. */
export interface AgentTask {
  /** 32 hex characters. */
  readonly id: string;
  readonly name: string;
  readonly sessionId: string;
  /** The run that this task carries out. */
  readonly runId?: string | undefined;
  readonly type: TaskType;
  readonly priority: Priority;
  readonly state: TaskState;
  readonly target: TaskTarget;
  /** Who has it: from dispatch on; null while it waits. */
  readonly agentId: string | null;
  readonly config: TaskConfig;
  /** Grows with each dispatch; 0 before the first. */
  readonly attempt: number;
  /** Attempts that were begun and did not succeed. */
  readonly failures: number;
  /** How often it was handed out in this attempt, and when last: unset while the agent is still to be told. */
  readonly deliveries: number;
  readonly deliveredAt?: number | undefined;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Of this attempt. */
  readonly startedAt?: number | undefined;
  readonly endedAt?: number | undefined;
  /** When its time is over, with all its attempts and waits. */
  readonly expiresAt?: number | undefined;
  /** Not dispatched before: the delay between two attempts. */
  readonly retryAt?: number | undefined;
  /** 0 to 1. */
  readonly progress: number;
  readonly progressMessage?: string | undefined;
  /** One past the last byte of its input and of its output, stdout and stderr in the order of their coming. */
  readonly inputEnd: number;
  readonly outputEnd: number;
  readonly result?: TaskResult | undefined;
  readonly error?: TaskError | undefined;
}

/**
 * `pending`: waits for an agent with room. `queued`: given to an agent that has not begun it. A task that fails and may
 * be tried again is pending again.
 */
export type TaskState = 'pending' | 'queued' | 'running' | 'completed' | 'failed' | 'cancelled' | 'timed_out';

export type TaskType =
  | 'code_execution'
  | 'file_operation'
  | 'network_request'
  | 'data_processing'
  | 'container_operation'
  | 'tool_execution'
  | 'custom'
  | 'unspecified';

/** One agent, any of a name, or any that says it can do this kind of task. */
export type TaskTarget =
  | { readonly agentId: string }
  | { readonly agentName: string }
  | { readonly capability: string };

export interface TaskConfig {
  readonly command: string;
  readonly arguments: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly workingDirectory: string;
  /** Milliseconds from its creation; 0 sets no limit. */
  readonly timeoutMs: number;
  /** Attempts after the first; they are made only with `retryOnFailure`. */
  readonly maxRetries: number;
  readonly retryOnFailure: boolean;
  /** Before the second attempt, in milliseconds; it doubles with each further one, up to a minute. */
  readonly retryDelayMs: number;
  readonly parameters: Readonly<Record<string, string>>;
  /** For the agent, which keeps to it. */
  readonly constraints?: TaskConstraints | undefined;
}

export interface TaskConstraints {
  readonly maxMemoryBytes: number;
  readonly maxCpuMs: number;
  readonly maxExecutionTimeMs: number;
  readonly allowedOperations: readonly string[];
  readonly deniedOperations: readonly string[];
}

export interface TaskResult {
  readonly exitCode: number;
  /** At most 64 KiB each, their ends; the whole is in the task's output. */
  readonly outputText: string;
  readonly errorText: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly durationMs: number;
}

export interface TaskError {
  readonly code: string;
  readonly message: string;
  readonly details: readonly string[];
  /** Milliseconds since the epoch. */
  readonly time: number;
}

export interface CreateTaskRequest {
  readonly sessionId: string;
  readonly target: TaskTarget;
  /** `config.command` when missing. */
  readonly name?: string | undefined;
  readonly type?: TaskType | undefined;
  readonly priority?: Priority | undefined;
  readonly config: Partial<TaskConfig> & Pick<TaskConfig, 'command'>;
  /** At most 4 MiB. */
  readonly input?: Uint8Array | undefined;
  readonly runId?: string | undefined;
}

export interface TaskFilter {
  /** Who has or had it, or who it is for. */
  readonly agentId?: string | undefined;
  readonly sessionId?: string | undefined;
  readonly state?: TaskState | undefined;
  readonly type?: TaskType | undefined;
  readonly priority?: Priority | undefined;
  /** Milliseconds since the epoch, both exclusive. */
  readonly createdAfter?: number | undefined;
  readonly createdBefore?: number | undefined;
  /** The newest so many; 1,000 when missing. */
  readonly limit?: number | undefined;
}

/** A piece of a task's input or output. */
export interface TaskChunk {
  /** Of its first byte. */
  readonly offset: number;
  /** `stdin` for input. */
  readonly stream: TaskStream;
  readonly data: Uint8Array;
}

export type TaskStream = 'stdin' | 'stdout' | 'stderr';

export function isTaskEnded(task: AgentTask): boolean {
  return task.state !== 'pending' && task.state !== 'queued' && task.state !== 'running';
}

/** The agent that a task is bound to, if it is bound to one. */
export function boundAgent(task: AgentTask): string | undefined {
  return 'agentId' in task.target ? task.target.agentId : undefined;
}

/** The chunks without what lies before the offset. */
export function chunksFrom(chunks: readonly TaskChunk[], from: number): TaskChunk[] {
  return chunks.map((chunk) => {
    const skip = from - chunk.offset;
    return skip <= 0 ? chunk : { ...chunk, offset: from, data: chunk.data.subarray(skip) };
  });
}
