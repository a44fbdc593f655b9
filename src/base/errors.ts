/**
 * The one error class of the product. Its `code` is the canonical set of gRPC (every door maps it once), its
 * `reason` our own closed vocabulary, and its `message` is written for a person: what happened, to what, and
 * what to do next.
 */

/** The canonical status codes of gRPC, without OK. */
export type ErrorCode =
  | 'CANCELLED'
  | 'UNKNOWN'
  | 'INVALID_ARGUMENT'
  | 'DEADLINE_EXCEEDED'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'PERMISSION_DENIED'
  | 'RESOURCE_EXHAUSTED'
  | 'FAILED_PRECONDITION'
  | 'ABORTED'
  | 'OUT_OF_RANGE'
  | 'UNIMPLEMENTED'
  | 'INTERNAL'
  | 'UNAVAILABLE'
  | 'DATA_LOSS'
  | 'UNAUTHENTICATED';

/** Why, in our own words: closed, so that a caller can tell cases apart without reading messages. */
export type ErrorReason =
  | 'aborted'
  | 'invalid_request'
  | 'task_empty'
  | 'directory_missing'
  | 'shell_missing'
  | 'program_missing'
  | 'session_not_found'
  | 'session_closed'
  | 'session_inactive'
  | 'session_expired'
  | 'session_limit'
  | 'invalid_transition'
  | 'message_exists'
  | 'agent_not_found'
  | 'agent_unavailable'
  | 'agent_limit'
  | 'agent_lost'
  | 'task_not_found'
  | 'task_ended'
  | 'task_limit'
  | 'task_running'
  | 'task_not_running'
  | 'task_call_failed'
  | 'container_engine_missing'
  | 'container_engine_failed'
  | 'container_not_found'
  | 'container_exists'
  | 'container_limit'
  | 'image_not_allowed'
  | 'image_not_found'
  | 'policy_violation'
  | 'events_missed'
  | 'run_not_found'
  | 'run_not_active'
  | 'backend_lost'
  | 'terminal_not_found'
  | 'terminal_exists'
  | 'terminal_ended'
  | 'terminal_unmarked'
  | 'terminal_limit'
  | 'ceilings_unavailable'
  | 'output_timeout'
  | 'permission_denied'
  | 'tool_not_found'
  | 'tool_failed'
  | 'sign_in_failed'
  | 'worker_not_found'
  | 'worker_exists'
  | 'spawn_failed'
  | 'runtime_too_old'
  | 'native_module_missing'
  | 'process_host_lost'
  | 'process_host_failed_to_start'
  | 'process_host_incompatible'
  | 'protocol_violation'
  | 'queue_full'
  | 'request_timeout'
  | 'unauthenticated'
  | 'model_not_found'
  | 'model_key_missing'
  | 'model_key_refused'
  | 'model_rate_limited'
  | 'model_unavailable'
  | 'model_rejected'
  | 'model_refused'
  | 'context_overflow'
  | 'output_limit'
  | 'budget_exhausted'
  | 'listen_failed'
  | 'state_in_use'
  | 'state_dir_unsafe'
  | 'socket_in_use'
  | 'socket_unsafe'
  | 'store_corrupt'
  | 'store_too_new'
  | 'disk_full'
  | 'record_dropped'
  | 'workspace_untrusted'
  | 'closed'
  | 'internal';

export interface OrchestratorErrorOptions {
  readonly details?: Readonly<Record<string, unknown>> | undefined;
  readonly cause?: unknown;
}

/** What crosses a wire of an error: never the cause, never a stack. */
export interface ErrorShape {
  readonly code: ErrorCode;
  readonly reason: ErrorReason;
  readonly message: string;
  readonly details?: Readonly<Record<string, unknown>> | undefined;
}

export class OrchestratorError extends Error {
  readonly code: ErrorCode;
  readonly reason: ErrorReason;
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor(code: ErrorCode, reason: ErrorReason, message: string, options: OrchestratorErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'OrchestratorError';
    this.code = code;
    this.reason = reason;
    this.details = options.details;
  }

  /** Whether `error` is ours, and, if a reason is given, of that reason. */
  static is(error: unknown, reason?: ErrorReason): error is OrchestratorError {
    return error instanceof OrchestratorError && (reason === undefined || error.reason === reason);
  }

  /** Any thrown value as one of ours. File-system errors that a person can act on get their own reason. */
  static from(error: unknown): OrchestratorError {
    if (error instanceof OrchestratorError) return error;
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof Error && error.name === 'AbortError') {
      return new OrchestratorError('CANCELLED', 'aborted', message, { cause: error });
    }
    const systemCode = error instanceof Error && 'code' in error ? error.code : undefined;
    if (systemCode === 'ENOSPC' || /database or disk is full/.test(message)) {
      return new OrchestratorError(
        'RESOURCE_EXHAUSTED',
        'disk_full',
        "The disk that holds the orchestrator's state is full. Free some space and try again; nothing that was saved is lost.",
        { cause: error },
      );
    }
    return new OrchestratorError('INTERNAL', 'internal', message, { cause: error });
  }

  static fromShape(shape: ErrorShape): OrchestratorError {
    return new OrchestratorError(shape.code, shape.reason, shape.message, { details: shape.details });
  }

  toShape(): ErrorShape {
    return {
      code: this.code,
      reason: this.reason,
      message: this.message,
      ...(this.details === undefined ? {} : { details: this.details }),
    };
  }
}

/** For the `default` of an exhaustive switch: a compile error when a case was forgotten. */
export function assertNever(value: never): never {
  throw new OrchestratorError('INTERNAL', 'internal', `Unexpected value: ${JSON.stringify(value)}`);
}
