/** One change of state, or one report of a run, as it stands in the log. */
export interface OrchestratorEvent {
  /** From 1, growing by one with each event of this store. */
  readonly sequence: number;
  /** 32 hex characters. */
  readonly id: string;
  readonly type: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly sessionId?: string | undefined;
  readonly runId?: string | undefined;
  readonly terminalId?: string | undefined;
  readonly containerId?: string | undefined;
  readonly agentId?: string | undefined;
  readonly taskId?: string | undefined;
  /** Joins a question and its answer. */
  readonly correlationId?: string | undefined;
  /** Which part of the product tells of it; `orchestrator` when missing. */
  readonly source?: string | undefined;
  /** `normal` when missing. */
  readonly priority?: Priority | undefined;
  /** Those of what it is about: of the session, the agent. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly data: Readonly<Record<string, unknown>>;
}

export type Priority = 'low' | 'normal' | 'high' | 'critical';

export type NewEvent = Omit<OrchestratorEvent, 'sequence' | 'id'>;

/**
 * What the core itself appends, by type; what runs report is in runs/runEvents.ts. Keys are in snake case, as those of
 * runs: they go over every wire as they are.
 */
export interface CoreEventData {
  'session.created': {
    readonly name: string;
    readonly owner: string;
    readonly type: string;
    readonly state: string;
    readonly cwd: string;
  };
  /** `busy` stands there where the first thing began to run in it or the last one ended. */
  'session.updated': { readonly name: string; readonly state: string; readonly busy?: boolean };
  'session.closed': { readonly name: string; readonly state: 'closed'; readonly reason: string | null };
  'message.sent': { readonly message_id: string; readonly role: string };
  'agent.registered': { readonly name: string; readonly type: string };
  'agent.unregistered': { readonly name: string; readonly reason: string | null };
  /** No sign of life for longer than the limit; its tasks were taken from it. */
  'agent.lost': { readonly name: string; readonly silent_ms: number };
  'agent.returned': { readonly name: string };
  'task.created': TaskEventData;
  /** It was dispatched, began, went on, or waits again for another attempt. */
  'task.updated': TaskEventData & { readonly error?: string };
  /** Where the bytes stand; they are read from the task. */
  'task.output': { readonly stream: string; readonly from: number; readonly to: number };
  'task.input': { readonly from: number; readonly to: number };
  'task.completed': TaskEventData & { readonly exit_code: number };
  /** `state` tells failed, cancelled and timed out apart. */
  'task.failed': TaskEventData & { readonly code: string; readonly error: string };
  'terminal.created': {
    readonly name: string;
    readonly managed_by: string | null;
    readonly run_id: string | null;
    readonly shell: string;
    readonly cwd: string;
    readonly cols: number;
    readonly rows: number;
  };
  'terminal.updated': {
    readonly name: string;
    readonly state: string;
    readonly pid: number;
    readonly cols: number;
    readonly rows: number;
  };
  'terminal.exited': {
    readonly exit_code: number | null;
    readonly signal: number | null;
    readonly reason: 'exited' | 'killed' | 'host_lost' | 'out_of_memory';
    /** Processes that the kernel killed at the memory ceiling. */
    readonly oom_kills?: number;
    /** Offset after the last byte of output; null where nobody can tell (the host was lost). */
    readonly end: number | null;
  };
  'terminal.removed': { readonly name: string };
  /** Who did something to a terminal. Writes and resizes are gathered for a second. */
  'terminal.audit': {
    /** `user`, an owner id, or `system`: what the product does by itself, such as ending the terminals of a run. */
    readonly principal: string;
    readonly action: 'spawn' | 'write' | 'resize' | 'kill';
    /** How often. */
    readonly count: number;
    /** How much was written; what, is never told. */
    readonly bytes: number;
  };
  /** What a terminal's processes use has passed a threshold that is set. */
  'terminal.threshold': {
    readonly metric: 'cpu_percent' | 'memory_bytes';
    readonly value: number;
    readonly threshold: number;
  };
  'container.created': { readonly name: string; readonly image: string };
  'container.started': { readonly name: string; readonly image: string };
  'container.updated': { readonly name: string; readonly state: string; readonly health: string };
  /** It has ended; its output is recorded to the last byte. */
  'container.stopped': {
    readonly name: string;
    readonly exit_code: number | null;
    readonly reason: string;
  };
  /** It did not start, ran out of memory, or was gone. */
  'container.error': { readonly name: string; readonly reason: string; readonly error: string };
  'container.removed': { readonly name: string };
  /** Nobody asked for it: something of ours was cleaned up, or was found and is kept because it may be precious. */
  'container.cleanup': {
    readonly kind: 'container' | 'network' | 'volume' | 'command' | 'output';
    readonly name: string;
    readonly reason: CleanupReason;
    readonly removed: boolean;
  };
  /** Something was asked for that the session does not allow. */
  'policy.violation': { readonly message: string };
  /** Somebody without a right token knocked at a door for the network; gathered. */
  'access.denied': { readonly remote_address: string; readonly reason: string; readonly count: number };
  'run.updated': { readonly is_aborting: boolean };
  'run.removed': { readonly task: string };
  /** A container task started, ended, or waits for another try; what its executions report is in their runs. */
  'container_task.updated': {
    readonly task_id: string;
    readonly name: string;
    readonly state: string;
    readonly failures: number;
    /** Milliseconds since the epoch; null unless it waits. */
    readonly next_start_at: number | null;
    readonly error: string | null;
  };
  'container_task.removed': { readonly task_id: string; readonly name: string };
  'processHost.lost': {
    readonly error: string;
    readonly ended_runs: number;
    readonly ended_terminals: number;
  };
}

interface TaskEventData {
  readonly name: string;
  readonly state: string;
  readonly agent_id: string | null;
  readonly attempt: number;
  /** 0 to 1. */
  readonly progress: number;
}
/**
 * `unfinished`: a core ended while it was made. `core_ended`, `let_go`: a command whose core ended, or whoever began it. `too_old`, `too_much`: over the
 * limits for what has ended. `session_unknown`: of a store that is no more. `state_directory_missing`: of a state
 * directory that is no more.
 */
export type CleanupReason =
  | 'unfinished'
  | 'core_ended'
  | 'let_go'
  | 'session_closed'
  | 'session_unknown'
  | 'state_directory_missing'
  | 'too_old'
  | 'too_much';

export type CoreEventType = keyof CoreEventData;
