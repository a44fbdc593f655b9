import type { Socket } from 'node:net';
import { closeCode } from '../../../protocol/daemon/handshake.ts';
import { FrameReader } from './frameReader.ts';
import { closeFrame, frameOf, opcode, protocolCode } from './frames.ts';
import { RateWindow } from './rateWindow.ts';
import type { SocketLimits } from './socketLimits.ts';
import { type FlushTurn, SocketWriter } from './socketWriter.ts';

/** Sums over every connection that a door has had. */
export interface SocketCounts {
  framesSent: number;
  bytesSent: number;
  framesReceived: number;
  bytesReceived: number;
}

export interface ConnectionHandler {
  /** Text is UTF-8. The bytes are its own until it returns. */
  message(data: Buffer, isText: boolean): void;
  /** A message was longer than allowed; `isBegun` when that turned out, not when it had gone by. */
  oversized(isBegun: boolean): void;
  /** Few bytes wait again, after `checkFull` has said that there are many. */
  drained(): void;
  /** Once; nothing is told after it. */
  closed(code: number, reason: string): void;
}

export interface SocketConnectionOptions {
  readonly socket: Socket;
  readonly isDeflating: boolean;
  readonly limits: SocketLimits;
  readonly turn: FlushTurn;
  readonly counts: SocketCounts;
  /** Milliseconds, of a clock that is never set. */
  readonly monotonic: () => number;
}

/** As much as a socket gives at once; where it does there is more, of which libuv would give 31 times as much at once. */
const fullReadBytes = 64 * 1024;
/** What may come between our close frame and the client's, in bytes. */
const maxBytesAfterClose = 256 * 1024;

/** Why nothing is read at the moment. */
type HoldReason = 'handler' | 'pressure' | 'rate';

/**
 * One WebSocket: whole messages in, whole frames out, both ends of the closing handshake, and the limits that need no
 * knowledge of what is in a message.
 */
export class SocketConnection {
  private readonly options: SocketConnectionOptions;
  private readonly handler: ConnectionHandler;
  private readonly reader: FrameReader;
  private readonly writer: SocketWriter;
  private readonly holds = new Set<HoldReason>();
  private readonly controls: RateWindow;
  private state: 'open' | 'closing' | 'closed' = 'open';
  /** Somebody was told to wait for `drained`. */
  private isFullTold = false;
  private closeInfo: { readonly code: number; readonly reason: string } | undefined;
  private closeTimer: NodeJS.Timeout | undefined;
  private rateTimer: NodeJS.Timeout | undefined;
  private pingPayload = 0;
  /** Bytes that may still come at once, at `budgetAt`. */
  private budget: number;
  private budgetAt: number;
  private bytesAfterClose = 0;
  private messageSince: number | undefined;
  private waitingSince: number | undefined;
  private heardAt: number;
  private pingAt: number | undefined;

  constructor(options: SocketConnectionOptions, maxBytes: number, handler: ConnectionHandler) {
    const { socket, isDeflating, limits, turn } = options;
    this.options = options;
    this.handler = handler;
    this.controls = new RateWindow(limits.maxControlFrames, limits.windowMs);
    this.budget = limits.burstBytes;
    this.budgetAt = options.monotonic();
    this.heardAt = this.budgetAt;
    this.writer = new SocketWriter({ socket, turn, onWritten: () => this.onWritten() });
    this.reader = new FrameReader(
      {
        isDeflating,
        maxFragments: limits.maxFragments,
        handler: {
          message: (data, isText) => this.onMessage(data, isText),
          tooLong: () => this.onOversized(true),
          skipped: () => this.onOversized(false),
          ping: (payload) => this.onPing(payload),
          pong: () => this.countControl(),
          close: (code, reason) => this.onCloseFrame(code, reason),
          failed: (code, reason) => this.onFailed(code, reason),
        },
      },
      maxBytes,
    );
  }

  /** @param head what came with the handshake. */
  start(head: Buffer): void {
    const { socket } = this.options;
    socket.setTimeout(0);
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.onData(chunk));
    // A client that has sent its last byte reads no answer's end either: RFC 6455 has it close first.
    socket.on('end', () => {
      this.writer.end();
      socket.end();
      this.finish(protocolCode.abnormal, 'The connection was ended without a close frame.');
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.finish(protocolCode.abnormal, 'The connection was cut.'));
    if (head.length > 0) this.onData(head);
    if (this.holds.size === 0) socket.resume();
  }

  get isOpen(): boolean {
    return this.state === 'open';
  }

  /** Bytes that wait for the client. */
  get waitingBytes(): number {
    return this.writer.waitingBytes;
  }

  /** @returns whether more waits than should; if so, `drained` tells when it does not. */
  checkFull(): boolean {
    if (this.waitingBytes < this.options.limits.highWaterBytes) return false;
    this.isFullTold = true;
    return true;
  }

  /** Of a message, in bytes. */
  set maxBytes(bytes: number) {
    this.reader.maxBytes = bytes;
  }

  /** @param frames whole ones, `count` of them; ignored where the connection is no longer open. */
  send(frames: Buffer, count: number): void {
    if (this.state !== 'open') return;
    const { limits, counts } = this.options;
    if (this.waitingBytes > limits.maxWaitingBytes) {
      this.closeSlow(`It has more than ${limits.maxWaitingBytes} bytes to read.`);
      return;
    }
    counts.framesSent += count;
    counts.bytesSent += frames.length;
    this.write(frames);
  }

  /** Reads no further, even of what is there, until `release`. */
  hold(reason: HoldReason = 'handler'): void {
    if (this.holds.has(reason)) return;
    this.holds.add(reason);
    this.reader.hold();
    this.options.socket.pause();
  }

  release(reason: HoldReason = 'handler'): void {
    if (!this.holds.delete(reason) || this.holds.size > 0) return;
    // The time in which nothing was read was not the client's.
    if (this.messageSince !== undefined) this.messageSince = this.options.monotonic();
    this.reader.release();
    this.noteMessage();
    // What was read may have held it again.
    if (this.mayRead()) this.options.socket.resume();
  }

  /** Says so and waits for the client's own close frame, for a time. Nothing is sent or told after it but `closed`. */
  close(code: number, reason: string): void {
    if (this.state !== 'open') return;
    this.sendClose(closeFrame(code, reason), code, reason);
    // Its close frame is waited for, and what comes before it let go: unread bytes would make a reset of the end.
    this.reader.discard();
    this.holds.clear();
    this.reader.release();
    this.options.socket.resume();
  }

  /** At once, with nothing said. */
  destroy(): void {
    this.options.socket.destroy();
  }

  /** Called from time to time: what takes too long. */
  sweep(nowMs: number): void {
    if (this.state !== 'open') return;
    const { limits } = this.options;
    if (this.waitingSince !== undefined && nowMs - this.waitingSince >= limits.stallTimeoutMs) {
      this.closeSlow(`It has read nothing for ${limits.stallTimeoutMs / 1_000} s.`);
      return;
    }
    if (this.holds.size > 0) return;
    if (this.messageSince !== undefined && nowMs - this.messageSince >= limits.messageTimeoutMs) {
      this.close(
        protocolCode.policyViolation,
        `A message took more than ${limits.messageTimeoutMs / 1_000} s.`,
      );
      return;
    }
    if (this.pingAt !== undefined) {
      if (nowMs - this.pingAt < limits.pongTimeoutMs) return;
      this.close(protocolCode.policyViolation, 'It has not answered a ping.');
      this.destroyAfter(0);
    } else if (nowMs - this.heardAt >= limits.pingIntervalMs) {
      this.pingAt = nowMs;
      this.pingPayload += 1;
      this.write(frameOf(opcode.ping, Buffer.from(String(this.pingPayload))));
    }
  }

  private write(frames: Buffer): void {
    this.writer.push(frames);
    this.waitingSince ??= this.options.monotonic();
    // Who does not read what was answered has nothing more to ask.
    if (this.waitingBytes >= this.options.limits.highWaterBytes) this.hold('pressure');
  }

  private mayRead(): boolean {
    return this.holds.size === 0 && this.state === 'open';
  }

  private onData(chunk: Buffer): void {
    this.options.counts.bytesReceived += chunk.length;
    if (this.state === 'open') {
      this.heardAt = this.options.monotonic();
      this.pingAt = undefined;
      this.spend(chunk.length);
      if (chunk.length >= fullReadBytes) this.yieldTurn();
    } else {
      this.bytesAfterClose += chunk.length;
      // It has no end: the time that it has to read why runs out.
      if (this.bytesAfterClose > maxBytesAfterClose) this.options.socket.pause();
    }
    this.reader.push(chunk);
    this.noteMessage();
  }

  private noteMessage(): void {
    if (!this.reader.isMidMessage) this.messageSince = undefined;
    else this.messageSince ??= this.options.monotonic();
  }

  /** Others come first: whoever sends without end is read once in a turn of the event loop. */
  private yieldTurn(): void {
    this.options.socket.pause();
    setImmediate(() => {
      if (this.holds.size === 0 && this.bytesAfterClose <= maxBytesAfterClose) this.options.socket.resume();
    });
  }

  /** Slows a client down that sends more than it may on and on. */
  private spend(bytes: number): void {
    const { bytesPerSecond, burstBytes } = this.options.limits;
    const gained = ((this.heardAt - this.budgetAt) / 1_000) * bytesPerSecond;
    this.budget = Math.min(burstBytes, this.budget + gained) - bytes;
    this.budgetAt = this.heardAt;
    if (this.budget >= 0 || this.rateTimer !== undefined) return;
    this.hold('rate');
    this.rateTimer = setTimeout(
      () => {
        this.rateTimer = undefined;
        this.release('rate');
      },
      Math.ceil((-this.budget / bytesPerSecond) * 1_000),
    );
  }

  private onWritten(): void {
    const { limits, monotonic } = this.options;
    const waiting = this.waitingBytes;
    this.waitingSince = waiting === 0 ? undefined : monotonic();
    if (waiting > limits.lowWaterBytes || this.state !== 'open') return;
    this.release('pressure');
    if (!this.isFullTold) return;
    this.isFullTold = false;
    this.handler.drained();
  }

  private onMessage(data: Buffer, isText: boolean): void {
    if (this.state !== 'open') return;
    this.options.counts.framesReceived += 1;
    this.handler.message(data, isText);
  }

  private onOversized(isBegun: boolean): void {
    if (this.state === 'open') this.handler.oversized(isBegun);
  }

  private onPing(payload: Buffer): void {
    this.countControl();
    if (this.state !== 'open') return;
    this.write(frameOf(opcode.pong, payload));
  }

  private countControl(): void {
    if (this.state !== 'open') return;
    if (this.controls.take(this.heardAt) > 0) this.close(closeCode.rateLimited, 'Too many pings or pongs.');
  }

  private onCloseFrame(code: number, reason: string): void {
    if (this.state === 'open') {
      const answer =
        code === protocolCode.none ? frameOf(opcode.close, Buffer.alloc(0)) : closeFrame(code, '');
      this.sendClose(answer, code, reason);
    }
    // Both have said it, and the server is the one to end it (RFC 6455, section 7.1.1).
    this.options.socket.end();
  }

  /** Nothing that comes behind what is wrong can be made sense of. */
  private onFailed(code: number, reason: string): void {
    if (this.state === 'open') this.sendClose(closeFrame(code, reason), code, reason);
    this.options.socket.end();
    this.options.socket.resume();
  }

  private sendClose(frame: Buffer, code: number, reason: string): void {
    this.state = 'closing';
    this.closeInfo = { code, reason };
    clearTimeout(this.rateTimer);
    this.writer.push(frame);
    this.writer.end();
    this.destroyAfter(this.options.limits.closeTimeoutMs);
    this.tellClosed();
  }

  /** Its close frame would wait behind everything else; it is tried, and the connection cut soon after. */
  private closeSlow(reason: string): void {
    this.close(closeCode.tooSlow, `Too slow. ${reason}`);
  }

  private destroyAfter(delayMs: number): void {
    clearTimeout(this.closeTimer);
    this.closeTimer = setTimeout(() => this.options.socket.destroy(), delayMs);
  }

  /** The connection is gone, or as good as that. */
  private finish(code: number, reason: string): void {
    if (this.state === 'closed') return;
    const wasOpen = this.state === 'open';
    this.state = 'closed';
    clearTimeout(this.rateTimer);
    this.reader.end();
    this.closeInfo ??= { code, reason };
    if (this.options.socket.destroyed) clearTimeout(this.closeTimer);
    else this.destroyAfter(this.options.limits.closeTimeoutMs);
    if (wasOpen) this.tellClosed();
  }

  private tellClosed(): void {
    const { code, reason } = this.closeInfo ?? { code: protocolCode.abnormal, reason: '' };
    this.handler.closed(code, reason);
  }
}
