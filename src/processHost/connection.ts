import type { Socket } from 'node:net';
import type { Disposable } from '../base/disposable.ts';
import { type ErrorShape, OrchestratorError } from '../base/errors.ts';
import { heartbeatIntervalMs, type JsonFrame } from '../protocol/processHost.ts';
import { encodeJson, encodeOutputHeader, FrameDecoder } from './frames.ts';
import { maxMissedHeartbeats } from './wire.ts';

export interface ConnectionHandler {
  /** The answer, or an error to be thrown. */
  onRequest(method: string, params: unknown): unknown;
  onNotification(name: string, params: unknown): void;
  onOutput?(stream: number, offset: number, bytes: Buffer): void;
  /** The peer takes data again. */
  onDrain?(): void;
  /** Once, whoever ended it. */
  onClose(error: OrchestratorError | undefined): void;
}

export interface ConnectionOptions {
  /**
   * Stops reading while the peer does not take what it was answered, so that its requests cannot pile up answers. Only
   * one side of a connection may do so, or two that are both full wait for each other for ever.
   */
  readonly holdsBackReading?: boolean;
  /** After so many heartbeats without a word the peer is lost; default `maxMissedHeartbeats`. */
  readonly maxMissed?: number;
}

/** So many frames are taken in before others have their turn: 1 to 3 ms of small ones. */
const turnFrames = 64;

/** One end of the socket: requests and answers by number, notifications, output frames, heartbeats both ways. */
export class Connection implements Disposable {
  private readonly socket: Socket;
  private readonly handler: ConnectionHandler;
  private readonly pending = new Map<
    number,
    { resolve: (result: unknown) => void; reject: (error: Error) => void }
  >();
  private heartbeat: NodeJS.Timeout | undefined;
  private nextId = 1;
  private silentBeats = 0;
  private readonly decoder: FrameDecoder;
  private readonly holdsBackReading: boolean;
  private readonly maxMissed: number;
  /** Frames wait for the next turn of the event loop. */
  private isWaiting = false;
  private isHeld = false;
  private isClosed = false;

  constructor(socket: Socket, handler: ConnectionHandler, options: ConnectionOptions = {}) {
    this.socket = socket;
    this.handler = handler;
    this.holdsBackReading = options.holdsBackReading === true;
    this.maxMissed = options.maxMissed ?? maxMissedHeartbeats;
    this.decoder = new FrameDecoder({
      onJson: (frame) => {
        this.receive(frame);
      },
      onOutput: (stream, offset, bytes) => {
        handler.onOutput?.(stream, offset, bytes);
      },
    });
    socket.on('data', (chunk: Buffer) => {
      this.silentBeats = 0;
      this.decoder.add(chunk);
      this.takeIn();
    });
    socket.on('drain', () => {
      this.takeIn();
      handler.onDrain?.();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      // What a peer has said before it died counts.
      this.handOut();
      this.close(undefined);
    });
  }

  /**
   * A few frames a turn of the event loop: libuv reads a socket up to 32 times before it looks at another, and a peer
   * that sends without end would keep everybody else waiting for seconds.
   */
  private takeIn(): void {
    if (this.isWaiting) return;
    this.isWaiting = this.handOut(turnFrames);
    if (this.isWaiting) {
      setImmediate(() => {
        this.isWaiting = false;
        this.takeIn();
      });
    }
    if (this.isWaiting || this.isHoldingBack) this.socket.pause();
    else if (this.socket.isPaused()) this.socket.resume();
  }

  private get isHoldingBack(): boolean {
    return this.holdsBackReading && this.socket.writableNeedDrain;
  }

  /** @returns whether there may be more than `limit` frames. */
  private handOut(limit?: number): boolean {
    try {
      return !this.isClosed && this.decoder.handOut(limit);
    } catch (error) {
      this.close(OrchestratorError.from(error));
      return false;
    }
  }

  /** From here on, after hello, both sides tell that they live and expect it of the other. */
  beat(): void {
    // Counted in beats, not in time: after the machine has slept, one beat is late, and nobody is lost.
    this.heartbeat ??= setInterval(() => {
      if (++this.silentBeats <= this.maxMissed) this.notify('ping', {});
      // Where it is we who were busy, what the peer has said meanwhile waits to be read: that comes first.
      else setImmediate(() => this.closeIfSilent());
    }, heartbeatIntervalMs).unref();
  }

  /** A request has not been answered yet. */
  get isAwaited(): boolean {
    return this.pending.size > 0;
  }

  get isCongested(): boolean {
    return this.isClosed || this.socket.writableNeedDrain;
  }

  /** @throws the peer's error, or process_host_lost when the connection ends before the answer. */
  request(method: string, params: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.isClosed) {
        reject(lost('The connection is closed.'));
        return;
      }
      const id = this.nextId++;
      // Encoding throws for what is too large; then nothing was sent and nothing waits.
      const frame = encodeJson({ id, method, params });
      this.pending.set(id, { resolve, reject });
      this.send(frame);
    });
  }

  notify(name: string, params: unknown): void {
    if (!this.isClosed) this.send(encodeJson({ notify: name, params }));
  }

  sendOutput(stream: number, offset: number, bytes: Buffer): void {
    if (this.isClosed) return;
    this.send(encodeOutputHeader(stream, offset, bytes.length));
    this.send(bytes);
  }

  /** Ends the connection at once; what is pending fails with `error`. */
  close(error: OrchestratorError | undefined): void {
    if (this.isClosed) return;
    this.isClosed = true;
    clearInterval(this.heartbeat);
    this.release();
    this.socket.destroy();
    const reason = error ?? lost('The connection was closed.');
    for (const { reject } of this.pending.values()) reject(reason);
    this.pending.clear();
    this.handler.onClose(error);
  }

  /** Ends the connection after what was written so far has been handed to the peer. */
  end(): void {
    this.socket.end();
  }

  dispose(): void {
    this.close(undefined);
  }

  private closeIfSilent(): void {
    if (this.silentBeats <= this.maxMissed) return;
    const seconds = (this.maxMissed * heartbeatIntervalMs) / 1_000;
    this.close(lost(`It was silent for ${seconds} seconds.`));
  }

  private receive(frame: JsonFrame): void {
    // Frames of a connection that was closed for an earlier one of the same chunk.
    if (this.isClosed) return;
    if ('method' in frame && typeof frame.method === 'string' && typeof frame.id === 'number') {
      void this.answer(frame.id, frame.method, frame.params);
    } else if ('notify' in frame && typeof frame.notify === 'string') {
      if (frame.notify !== 'ping') this.handler.onNotification(frame.notify, frame.params);
    } else if ('id' in frame && typeof frame.id === 'number') {
      const waiting = this.pending.get(frame.id);
      this.pending.delete(frame.id);
      if ('error' in frame) waiting?.reject(OrchestratorError.fromShape(frame.error));
      else if ('result' in frame) waiting?.resolve(frame.result);
    } else {
      throw new OrchestratorError(
        'INVALID_ARGUMENT',
        'protocol_violation',
        'A message is neither request nor answer.',
      );
    }
  }

  private async answer(id: number, method: string, params: unknown): Promise<void> {
    try {
      // Called before anything is awaited, so that requests take effect in the order in which they came.
      const result = await this.handler.onRequest(method, params);
      this.respond({ id, result: result ?? null });
    } catch (error) {
      this.respond({ id, error: OrchestratorError.from(error).toShape() });
    }
  }

  private respond(frame: { id: number; result: unknown } | { id: number; error: ErrorShape }): void {
    if (!this.isClosed) this.send(encodeJson(frame));
  }

  /** What is sent in one turn of the event loop goes out by one system call, and wakes the peer once. */
  private send(bytes: Buffer): void {
    if (!this.isHeld) {
      this.isHeld = true;
      this.socket.cork();
      process.nextTick(() => {
        this.release();
      });
    }
    this.socket.write(bytes);
  }

  private release(): void {
    if (!this.isHeld) return;
    this.isHeld = false;
    this.socket.uncork();
  }
}

export function lost(why: string): OrchestratorError {
  return new OrchestratorError(
    'UNAVAILABLE',
    'process_host_lost',
    `The process host does not answer any more. ${why}`,
  );
}
