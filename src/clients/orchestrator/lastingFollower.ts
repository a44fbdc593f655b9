import type { Disposable } from '../../base/disposable.ts';
import type { Event } from '../../base/emitter.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { FollowSink, TerminalFollower } from '../../core/ports/processHost.ts';
import type { RemoteConnection } from './remoteConnection.ts';

type Attach = (from: number, sink: FollowSink) => Promise<TerminalFollower>;

/**
 * Follows a terminal of another orchestrator over its restarts: the terminal outlives them, and its bytes go on from
 * where they broke off.
 */
export class LastingFollower implements TerminalFollower {
  private readonly attach: Attach;
  private readonly sink: FollowSink;
  private readonly connections: Disposable;
  private inner: TerminalFollower | undefined;
  private receivedTo: number;
  private ackedTo: number;
  private isBroken = false;
  private isDisposed = false;

  private constructor(attach: Attach, connection: Event<RemoteConnection>, from: number, sink: FollowSink) {
    this.attach = attach;
    this.sink = sink;
    this.receivedTo = from;
    this.ackedTo = from;
    this.connections = connection((state) => {
      if (state === 'connected' && this.isBroken) void this.resume();
    });
  }

  /** Errors: those of the first attempt. */
  static async start(
    attach: Attach,
    connection: Event<RemoteConnection>,
    from: number,
    sink: FollowSink,
  ): Promise<TerminalFollower> {
    const follower = new LastingFollower(attach, connection, from, sink);
    try {
      await follower.connect();
    } catch (error) {
      follower.dispose();
      throw error;
    }
    return follower;
  }

  ack(offset: number): void {
    this.ackedTo = offset;
    this.inner?.ack(offset);
  }

  dispose(): void {
    this.isDisposed = true;
    this.connections.dispose();
    this.inner?.dispose();
  }

  private async connect(): Promise<void> {
    const { sink } = this;
    const inner = await this.attach(this.receivedTo, {
      ...sink,
      onData: (data, offset) => {
        this.receivedTo = offset + data.length;
        sink.onData(data, offset);
      },
      onGap: (from, to) => {
        this.receivedTo = to;
        sink.onGap?.(from, to);
      },
      onEnd: (exit) => {
        this.connections.dispose();
        sink.onEnd?.(exit);
      },
      onLost: (error) => {
        if (error.code === 'UNAVAILABLE') this.isBroken = true;
        else sink.onLost?.(error);
      },
    });
    if (this.isDisposed) {
      inner.dispose();
      return;
    }
    this.inner = inner;
    inner.ack(this.ackedTo);
  }

  private async resume(): Promise<void> {
    this.isBroken = false;
    this.inner?.dispose();
    this.inner = undefined;
    try {
      await this.connect();
    } catch (error) {
      const known = OrchestratorError.from(error);
      // Gone again: the next connection tries anew.
      if (known.code === 'UNAVAILABLE') this.isBroken = true;
      else if (!this.isDisposed) this.sink.onLost?.(known.toShape());
    }
  }
}
