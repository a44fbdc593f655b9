import {
  type ResponseChunk,
  StreamState,
  type StreamStatus,
} from '../../../protocol/gen/gateway/v1/gateway.ts';
import { dateOf } from './values.ts';

/** Counts what a stream has sent, for its statuses. */
export class StreamFigures {
  private readonly now: () => number;
  private readonly startedAt: number;
  private bytes = 0;
  private chunks = 0;

  constructor(now: () => number) {
    this.now = now;
    this.startedAt = now();
  }

  add({ data }: ResponseChunk): void {
    this.bytes += data.length;
    this.chunks += 1;
  }

  status(state: StreamState, message = ''): StreamStatus {
    const hasEnded =
      state === StreamState.STREAM_STATE_COMPLETE ||
      state === StreamState.STREAM_STATE_ERROR ||
      state === StreamState.STREAM_STATE_CANCELLED;
    return {
      state,
      message,
      bytesSent: BigInt(this.bytes),
      chunksSent: BigInt(this.chunks),
      startedAt: dateOf(this.startedAt),
      endedAt: hasEnded ? dateOf(this.now()) : undefined,
    };
  }
}
