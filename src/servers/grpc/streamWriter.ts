import type { ServerHttp2Stream } from 'node:http2';
import type { MessageType } from '../../protocol/rpc.ts';
import { checkSize, EncodedMessages, encodeMessage } from './encodedMessages.ts';
import type { Outgoing } from './rpcHandlers.ts';
import type { ServerCall } from './serverCall.ts';

/** Enough for a few frames of HTTP/2; more would only wait in memory. */
const batchBytes = 64 * 1024;

export interface StreamWriterOptions<O> {
  readonly stream: ServerHttp2Stream;
  readonly call: ServerCall;
  readonly type: MessageType<O>;
  /** Bytes of one message at most. */
  readonly maxMessageBytes: number;
}

/**
 * Writes what a handler yields, as fast as the client reads it. Messages that come within one turn of the event loop go
 * out in one write: written one by one, as grpc-js does it, the writes cost several times what the messages do.
 * Resolves when everything was handed to the transport; rejects with what the handler throws, or with the reason of the
 * call's abort, at which the handler is told to end but not waited for.
 */
export async function writeMessages<O>(
  answers: AsyncIterable<Outgoing<O>>,
  options: StreamWriterOptions<O>,
): Promise<void> {
  const { call, type, maxMessageBytes } = options;
  const { signal } = call;
  const writer = new BatchWriter(options.stream);
  const iterator = answers[Symbol.asyncIterator]();
  let isDone = false;
  let fail: (error: unknown) => void = () => undefined;
  const onAbort = (): void => fail(signal.reason);
  signal.addEventListener('abort', onAbort);
  // Before the first message, and soon also where there is none yet: a client may wait for them.
  const headers = setImmediate(() => call.sendMetadata(true));
  try {
    while (true) {
      signal.throwIfAborted();
      // A race with one promise for the whole call would keep every turn's promise until the call's end.
      const { promise, resolve, reject } = Promise.withResolvers<IteratorResult<Outgoing<O>>>();
      fail = reject;
      iterator.next().then(resolve, reject);
      const next = await promise;
      if (next.done === true) {
        isDone = true;
        break;
      }
      const message = next.value instanceof EncodedMessages ? next.value : encodeMessage(type, next.value);
      checkSize(message, maxMessageBytes);
      call.sendMetadata(true);
      const drained = writer.add(message.frames);
      if (drained !== undefined) await drained;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    clearImmediate(headers);
    writer.flush();
    if (!isDone) void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}

/** Gathers frames until the turn of the event loop ends or there are enough of them. */
class BatchWriter {
  private readonly stream: ServerHttp2Stream;
  private frames: Uint8Array[] = [];
  private bytes = 0;
  private timer: NodeJS.Immediate | undefined;

  constructor(stream: ServerHttp2Stream) {
    this.stream = stream;
  }

  /** @returns when to go on, where the client is behind. */
  add(frames: Uint8Array): Promise<void> | undefined {
    this.frames.push(frames);
    this.bytes += frames.length;
    if (this.bytes >= batchBytes) this.flush();
    else this.timer ??= setImmediate(() => this.flush());
    return this.stream.writableNeedDrain ? this.drained() : undefined;
  }

  flush(): void {
    clearImmediate(this.timer);
    this.timer = undefined;
    const { frames } = this;
    const [first] = frames;
    if (first === undefined) return;
    this.frames = [];
    this.bytes = 0;
    if (this.stream.destroyed || this.stream.closed) return;
    this.stream.write(frames.length === 1 ? first : Buffer.concat(frames));
  }

  /** Also where the stream ends meanwhile: the call's signal tells that. */
  private drained(): Promise<void> {
    const { stream } = this;
    return new Promise((resolve) => {
      const done = (): void => {
        stream.off('drain', done);
        stream.off('close', done);
        resolve();
      };
      stream.on('drain', done);
      stream.on('close', done);
    });
  }
}
