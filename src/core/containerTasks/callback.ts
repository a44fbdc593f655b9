/** What a program in a container tells about its task, in one form whichever of the two body shapes it came in. */
export interface TaskCallback {
  readonly taskId: string;
  /** `status_update`, `log_entry`, `task_result`, `task_error`, or a type of the program's own. */
  readonly eventType: string;
  /** `payload`, or `data` as seed 000 has it. */
  readonly payload: Readonly<Record<string, unknown>>;
  /** As it was sent; the contract requires it, seed 000 has none. */
  readonly timestamp?: string | undefined;
}

export type NotificationLevel = 'Info' | 'Warn' | 'Error';

/** What a person sees of a callback, with the words of contract 000, section 2. */
export interface CallbackNotification {
  readonly level: NotificationLevel;
  readonly message: string;
  readonly action: string;
}

/** Beyond it a message is cut: it is shown as a banner and kept with every event. In characters. */
export const messageLimit = 2_000;

/** The contract's mapping from callbacks to notifications, row by row. */
export function callbackNotification(callback: TaskCallback): CallbackNotification {
  const { eventType, payload, taskId } = callback;
  const task = `(${taskId.slice(0, 6)}...)`;
  const text = messageOf(payload);
  switch (eventType) {
    case 'status_update': {
      const progress = progressOf(payload);
      const percent = progress === undefined ? '' : ` (${progress}%)`;
      return { level: 'Info', message: `Orca Status ${task}: ${text}${percent}`, action: 'OrcaStatusUpdate' };
    }
    case 'log_entry': {
      const level = logLevelOf(payload);
      const sign = `[${level.toUpperCase()}]`;
      return {
        level: notificationLevel(level),
        message: `Orca Log ${sign} ${task}: ${text}`,
        action: 'OrcaLogEntry',
      };
    }
    case 'task_result': {
      const { status } = resultOf(payload);
      return {
        level: status === 'failed' ? 'Error' : 'Info',
        message: `Orca Result ${task}: Status - ${status}`,
        action: 'OrcaTaskResult',
      };
    }
    case 'task_error':
      return { level: 'Error', message: `Orca Error ${task}: ${text}`, action: 'OrcaTaskError' };
    default: {
      const type = eventType.slice(0, 100);
      return { level: 'Info', message: `Orca ${task} event: ${type}`, action: `OrcaUnknownEvent_${type}` };
    }
  }
}

export const invalidMessageNotification: CallbackNotification = {
  level: 'Error',
  message: 'Invalid message structure received from Orca agent.',
  action: 'OrcaInvalidMessage',
};

/** The three names of the node (log, warn, error) and those of the SDK, in any case, as the levels of a notification. */
export function notificationLevel(level: string): NotificationLevel {
  switch (level.toLowerCase()) {
    case 'error':
      return 'Error';
    case 'warn':
    case 'warning':
      return 'Warn';
    default:
      return 'Info';
  }
}

/** 0 to 100; undefined where none was sent or it is no number. Clients send what is out of range unchanged. */
export function progressOf(payload: TaskCallback['payload']): number | undefined {
  const value = payload['progress'];
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(number)) return undefined;
  return Math.min(100, Math.max(0, number));
}

export interface CallbackResult {
  /** As it was sent; `completed` where it says nothing. Only `failed` is a failure. */
  readonly status: string;
  /** Why it failed. */
  readonly error: string | undefined;
}

export function resultOf(payload: TaskCallback['payload']): CallbackResult {
  const { status, error_message: error } = payload;
  return {
    status: typeof status === 'string' && status !== '' ? status.slice(0, 100) : 'completed',
    error: typeof error === 'string' && error !== '' ? error.slice(0, messageLimit) : undefined,
  };
}

/** Programs send more than the contract's three levels (debug, for one); a missing one is `info`. */
function logLevelOf(payload: TaskCallback['payload']): string {
  const { level } = payload;
  return typeof level === 'string' && level !== '' ? level.slice(0, 20) : 'info';
}

export function messageOf(payload: TaskCallback['payload']): string {
  const { message } = payload;
  if (message === undefined || message === null) return '';
  const text = typeof message === 'string' ? message : JSON.stringify(message);
  return text.length > messageLimit ? `${text.slice(0, messageLimit - 1)}…` : text;
}
