import { messageOf, progressOf, resultOf } from '../../core/containerTasks/callback.ts';
import type { OrchestratorEvent } from '../../core/events/event.ts';
import type { TaskLogEntry } from '../../protocol/runPanel.ts';

/** What a panel shows of what came with an entry, in characters; the whole is a document. */
const detailsLimit = 8_000;

type Payload = Readonly<Record<string, unknown>>;

/** The entry of a task's log that an event of its run is; undefined where it is none. */
export function taskLogEntry(event: OrchestratorEvent): TaskLogEntry | undefined {
  const { type, data, sequence, time } = event;
  if (type === 'container_task.refused') {
    return { sequence, time, kind: 'other', level: 'Warn', text: refusedText(data), action: '' };
  }
  if (type !== 'container_task.callback' && type !== 'container_task.notification') return undefined;
  const action = textOf(data['action']);
  const level = data['level'] === 'Error' || data['level'] === 'Warn' ? data['level'] : 'Info';
  const base = { sequence, time, level, action } as const;
  if (type === 'container_task.notification') {
    return { ...base, kind: level === 'Error' ? 'error' : 'log', text: textOf(data['message']) };
  }
  const payload = payloadOf(event);
  const details = formatDetails(detailsOf(event));
  const stack = textOf(payload['stack_trace']);
  return {
    ...base,
    ...wordsOf(textOf(data['event_type']), payload),
    ...(details === ''
      ? {}
      : { details: details.slice(0, detailsLimit), isCut: details.length > detailsLimit }),
    ...(stack === '' ? {} : { stack: stack.slice(0, detailsLimit) }),
  };
}

/** What came with an entry, whole: JSON, and the stack where there is one. */
export function taskEntryDocument(event: OrchestratorEvent): string {
  return `${formatDetails(detailsOf(event) ?? payloadOf(event))}\n`;
}

function wordsOf(eventType: string, payload: Payload): Pick<TaskLogEntry, 'kind' | 'text'> {
  switch (eventType) {
    case 'status_update': {
      const progress = progressOf(payload);
      const share = progress === undefined ? '' : ` (${Math.round(progress)} %)`;
      return { kind: 'status', text: `${messageOf(payload)}${share}` };
    }
    case 'log_entry':
      return { kind: 'log', text: messageOf(payload) };
    case 'task_result': {
      const { status, error } = resultOf(payload);
      return { kind: 'result', text: error === undefined ? status : `${status}: ${error}` };
    }
    case 'task_error':
      return { kind: 'error', text: messageOf(payload) };
    default:
      return { kind: 'other', text: eventType };
  }
}

/** The part of a callback that its words do not tell; undefined where they tell all. */
function detailsOf(event: OrchestratorEvent): unknown {
  const payload = payloadOf(event);
  switch (event.data['event_type']) {
    case 'status_update':
      return orNothing(without(payload, ['message', 'progress']));
    case 'log_entry':
      return payload['details'] ?? orNothing(without(payload, ['level', 'message', 'details']));
    case 'task_result': {
      // The contract's clients always send it, empty too; those of the seed put their data beside the status.
      const beside = without(payload, ['status', 'error_message', 'result_data']);
      const data = payload['result_data'] ?? {};
      return orNothing(isRecord(data) ? { ...data, ...beside } : { result_data: data, ...beside });
    }
    case 'task_error':
      return (
        payload['error_details'] ?? orNothing(without(payload, ['message', 'error_details', 'stack_trace']))
      );
    default:
      return orNothing(payload);
  }
}

function payloadOf({ data }: OrchestratorEvent): Payload {
  const { payload } = data;
  return isRecord(payload) ? payload : {};
}

function without(payload: Payload, names: readonly string[]): Payload {
  return Object.fromEntries(Object.entries(payload).filter(([name]) => !names.includes(name)));
}

function orNothing(payload: Payload): Payload | undefined {
  return Object.keys(payload).length === 0 ? undefined : payload;
}

function formatDetails(value: unknown): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2);
}

const refusals = [
  ['unauthenticated', 'without the token'],
  ['invalid', 'not understood'],
  ['over_limit', 'over the limit'],
] as const;

function refusedText(data: Payload): string {
  const parts = refusals.flatMap(([name, words]) => {
    const amount = data[name];
    return typeof amount === 'number' && amount > 0 ? [`${amount} ${words}`] : [];
  });
  return `Requests were refused: ${parts.join(', ')}`;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function isRecord(value: unknown): value is Payload {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
