import { AsyncQueue } from '../../../base/asyncQueue.ts';
import { invalidRequest } from '../../../core/text.ts';
import type { ToolCallRecord, ToolCalls } from '../../../core/tools/toolCalls.ts';
import type { StreamToolRequest, StreamToolResponse } from '../../../protocol/gen/tool/v1/tool.ts';
import type { CallContext } from '../rpcHandlers.ts';
import { executionStatuses, resultMessage } from './toolMessages.ts';
import { dateOf, optionalDate } from './values.ts';

type Payload = NonNullable<StreamToolResponse['payload']>;

/**
 * One execution, by the id of the first message: its state, what it answered, its end. A heartbeat is answered; `cancel`
 * ends the execution, the end of the stream does not. Errors: `invalid_request`; those of `find`.
 */
export async function* streamTool(
  calls: ToolCalls,
  requests: AsyncIterable<StreamToolRequest>,
  { signal }: CallContext,
  find: (id: string) => ToolCallRecord,
): AsyncGenerator<StreamToolResponse> {
  const iterator = requests[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done === true || first.value.executionId === '')
    throw invalidRequest('first message must contain execution_id');
  const { id } = find(first.value.executionId);
  const answers = new AsyncQueue<Payload>();
  const say = (payload: Payload): void => answers.push(payload);
  say(statusOf(calls.get(id)));

  const listen = async (): Promise<void> => {
    for (
      let next: IteratorResult<StreamToolRequest> = first;
      next.done !== true;
      next = await iterator.next()
    )
      handle(next.value.payload);
  };
  const handle = (payload: StreamToolRequest['payload']): void => {
    if (payload?.$case === 'heartbeat') say({ $case: 'heartbeat', value: {} });
    if (payload?.$case === 'cancel') void calls.cancel(id);
    if (payload?.$case === 'input' && payload.value.data.length > 0)
      say(errorOf('UNIMPLEMENTED', 'This tool takes no input: its parameters are all that it is given.'));
  };
  // Whoever goes is told by the signal.
  void listen().catch(() => undefined);
  void calls.waitForEnd(id, signal).then(
    (record) => {
      for (const payload of endOf(record)) say(payload);
      answers.end();
    },
    () => answers.end(),
  );
  for await (const payload of answers) yield { payload };
}

function statusOf({ status, error, endedAt, createdAt }: ToolCallRecord): Payload {
  const timestamp = dateOf(endedAt ?? createdAt);
  return { $case: 'status', value: { status: executionStatuses[status], message: error, timestamp } };
}

function endOf(record: ToolCallRecord): Payload[] {
  const { id, text, status, error, endedAt } = record;
  const timestamp = optionalDate(endedAt);
  const output: Payload = {
    $case: 'output',
    value: { data: new TextEncoder().encode(text), text, streamType: 'stdout', timestamp },
  };
  return [
    ...(text === '' ? [] : [output]),
    statusOf(record),
    ...(status === 'completed' ? [] : [errorOf(status.toUpperCase(), error)]),
    { $case: 'complete', value: { executionId: id, result: resultMessage(record), completedAt: timestamp } },
  ];
}

function errorOf(code: string, message: string): Payload {
  return { $case: 'error', value: { code, message, details: [], occurredAt: new Date() } };
}
