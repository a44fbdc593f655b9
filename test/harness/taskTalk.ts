import { AsyncQueue } from '../../src/base/asyncQueue.ts';
import type {
  StreamTaskRequest,
  StreamTaskResponse,
  TaskState,
} from '../../src/protocol/gen/agent/v1/agent.ts';

export const utf8 = (text: string): Uint8Array => Buffer.from(text);

/** One side of a bidirectional stream, to be spoken and listened to in turns. */
export class Talk<I, O> {
  private readonly sent = new AsyncQueue<I>();
  private readonly answers: AsyncIterator<O>;

  constructor(open: (requests: AsyncIterable<I>) => AsyncIterable<O>) {
    this.answers = open(this.sent)[Symbol.asyncIterator]();
  }

  say(request: I): void {
    this.sent.push(request);
  }

  endSending(): void {
    this.sent.end();
  }

  /** Undefined at the end. */
  async next(): Promise<O | undefined> {
    const answer = await this.answers.next();
    return answer.done === true ? undefined : answer.value;
  }

  /** Up to the first one that fits, or to the end. */
  async until(fits: (answer: O) => boolean): Promise<O[]> {
    const heard: O[] = [];
    for (let answer = await this.next(); answer !== undefined; answer = await this.next()) {
      heard.push(answer);
      if (fits(answer)) break;
    }
    return heard;
  }

  async close(): Promise<void> {
    await this.answers.return?.();
  }
}

export function frame(taskId: string, payload?: StreamTaskRequest['payload']): StreamTaskRequest {
  return { taskId, payload };
}

export const stateOf = (answer: StreamTaskResponse | undefined): TaskState | undefined =>
  answer?.payload?.$case === 'status' ? answer.payload.value.state : undefined;

export const output = (text: string, streamType = 'stdout'): StreamTaskRequest['payload'] => ({
  $case: 'output',
  value: { data: utf8(text), text: '', streamType },
});

export const status = (state: TaskState, message = ''): StreamTaskRequest['payload'] => ({
  $case: 'status',
  value: { state, message, timestamp: undefined },
});

export const complete = (exitCode: number, outputText = ''): StreamTaskRequest['payload'] => ({
  $case: 'complete',
  value: {
    taskId: '',
    result: {
      exitCode,
      outputText,
      outputData: new Uint8Array(),
      errorText: '',
      metadata: { by: 'worker' },
      completedAt: undefined,
      executionDurationNs: 0n,
    },
    completedAt: undefined,
  },
});

export const heartbeat = { $case: 'heartbeat', value: {} } as const;
