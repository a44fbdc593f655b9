import type { Disposable } from '../../base/disposable.ts';
import type { Agent } from '../agents/agent.ts';
import type { Container, EngineClaim } from '../containers/container.ts';
import type { ContainerTask } from '../containerTasks/containerTask.ts';
import type { NewEvent, OrchestratorEvent } from '../events/event.ts';
import type { Run, RunStatus } from '../runs/run.ts';
import type { Message } from '../sessions/message.ts';
import type { Session } from '../sessions/session.ts';
import type { AgentTask, TaskChunk, TaskFilter } from '../tasks/task.ts';
import type { Terminal } from '../terminals/terminal.ts';

/** Every kind of thing that the store keeps whole, by name. */
export interface StoredKinds {
  readonly session: Session;
  readonly run: Run;
  readonly terminal: Terminal;
  readonly agent: Agent;
  readonly task: AgentTask;
  readonly container: Container;
  readonly engineClaim: EngineClaim;
  readonly containerTask: ContainerTask;
}
export type StoredKind = keyof StoredKinds;

/**
 * Durable state. One core writes to it at a time; others may read. Synchronous, because a state change and its event
 * are one transaction and nothing may come between them.
 * Errors: `disk_full`, `store_corrupt`, `store_too_new`.
 */
export interface Store extends Disposable {
  /**
   * Runs `change` in one transaction. If it throws, nothing was changed; when it returns, everything is durable
   * against the end of this process.
   */
  transact<T>(change: (tx: StoreTransaction) => T): T;
  get<K extends StoredKind>(kind: K, id: string): StoredKinds[K] | undefined;
  /** In the order of creation. */
  list<K extends StoredKind>(kind: K): StoredKinds[K][];
  /** Runs newest first, ended ones too; `before` is the id of the last run of the previous page. */
  listRuns(filter: RunFilter): Run[];
  readEvents(filter: EventFilter): OrchestratorEvent[];
  /** What was said in a session, oldest first. */
  readMessages(filter: MessageFilter): Message[];
  getMessage(sessionId: string, id: string): Message | undefined;
  /** Oldest first, ended ones too. */
  listTasks(filter: TaskFilter): AgentTask[];
  /** The tasks that have not ended, oldest first. */
  listLiveTasks(): AgentTask[];
  /** What is kept from `from` on, in whole chunks: the first may begin before `from`, and at most so many bytes more. */
  readTaskChunks(taskId: string, kind: 'input' | 'output', from: number, maxBytes: number): TaskChunk[];
  /** What was made by the request of this key, newer than `since` (milliseconds since the epoch). */
  requestKey(kind: KeyedKind, key: string, since: number): string | undefined;
  /** Over the life of the store, whatever was removed from it since. One small read. */
  totals(): StoreTotals;
  /** The last sequence in the log, 0 when it is empty. */
  lastSequence(): number;
  /** The last worker sequence that was ingested, 0 for none. */
  workerCursor(workerId: string): number;
}

/** What a request with an idempotency key can make. */
export type KeyedKind = 'run' | 'session';

export interface StoreTotals {
  readonly sessions: number;
  readonly endedRuns: number;
  readonly succeededRuns: number;
  /** Input and output, of the runs that tell them. */
  readonly tokens: number;
  /** Ended runs that had begun, and the milliseconds from their start to their end. */
  readonly timedRuns: number;
  readonly runMs: number;
}

export interface StoreTransaction {
  put<K extends StoredKind>(kind: K, value: StoredKinds[K]): void;
  /** With a task go its input and output. With a run go its events and its worker's cursor. Sequences are never given twice, whatever is deleted. */
  delete(kind: StoredKind, id: string): void;
  /** Gives the event its sequence and id and stores it. */
  append(event: NewEvent): OrchestratorEvent;
  /** Its id must be new in its session. */
  addMessage(message: Message): void;
  /** Input where its stream is `stdin`, else output. */
  addTaskChunk(taskId: string, chunk: TaskChunk): void;
  /** Drops the output chunks that end at or before an offset. */
  dropTaskOutput(taskId: string, before: number): void;
  setWorkerCursor(workerId: string, sequence: number): void;
  /** Remembers what the request of this key made; keys that are older than `forgetBefore` are forgotten. */
  setRequestKey(kind: KeyedKind, key: string, id: string, time: number, forgetBefore: number): void;
  addToTotals(delta: Partial<StoreTotals>): void;
}

export interface MessageFilter {
  readonly sessionId: string;
  /** Only what was said after the message of this id. */
  readonly after?: string | undefined;
  /** Only the last so many; all when missing. */
  readonly last?: number | undefined;
}

export interface EventFilter {
  /** Only events with a greater sequence. */
  readonly after: number;
  /** At most so many, 1 to 10,000. */
  readonly limit: number;
  readonly sessionId?: string | undefined;
  readonly runId?: string | undefined;
  readonly terminalId?: string | undefined;
}

export interface RunFilter {
  readonly limit: number;
  readonly before?: string | undefined;
  readonly sessionId?: string | undefined;
  /** Text that the task contains, without regard to case. */
  readonly search?: string | undefined;
  /** Only those that have not ended. */
  readonly isLive?: boolean | undefined;
  readonly status?: RunStatus | undefined;
}
