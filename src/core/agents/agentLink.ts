import type { AgentTask, TaskState } from '../tasks/task.ts';

/**
 * An open stream to an agent, as the door that holds it implements it. What cannot be sent may throw: the task is then
 * delivered again by the agent's next heartbeat.
 */
export interface AgentLink {
  deliverTask(task: AgentTask): void;
  /** The task has ended without it: it is to stop what it does for it. */
  cancelTask(taskId: string, reason: string): void;
  deliverMessage(message: AgentMessage): void;
}

/** What goes over an agent's stream besides its tasks, either way. */
export interface AgentMessage {
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** `orchestrator`, or an agent's id. */
  readonly sourceId: string;
  readonly targetId: string;
  readonly correlationId?: string | undefined;
  readonly sessionId?: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  /** Its meaning is the sender's and the receiver's. */
  readonly priority?: number | undefined;
  /** As its sender calls it; after its body where missing. */
  readonly type?: AgentMessageType | undefined;
  readonly body: AgentMessageBody;
}

export type AgentMessageType =
  | 'task_request'
  | 'task_response'
  | 'task_update'
  | 'control'
  | 'data'
  | 'event'
  | 'heartbeat'
  | 'error';

export type AgentMessageBody =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'task';
      readonly taskId: string;
      readonly sessionId: string;
      /** Missing where the message does not tell it. */
      readonly state?: TaskState | undefined;
      /** 0 to 1. */
      readonly progress: number;
      readonly statusMessage: string;
      readonly output: Uint8Array;
    }
  | {
      readonly kind: 'data';
      readonly contentType: string;
      readonly data: Uint8Array;
      readonly headers: Readonly<Record<string, string>>;
    }
  | {
      readonly kind: 'control';
      readonly command: 'pause' | 'resume' | 'cancel' | 'shutdown' | 'restart' | 'status' | 'unspecified';
      readonly parameters: Readonly<Record<string, string>>;
    }
  | {
      readonly kind: 'event';
      readonly type: string;
      readonly source: string;
      readonly data: Readonly<Record<string, string>>;
    };
