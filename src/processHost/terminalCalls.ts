import type { ErrorShape } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type {
  FollowOptions,
  FollowSink,
  KillOptions,
  SnapshotOptions,
  SpawnTerminalOptions,
  TerminalBytes,
  TerminalFollower,
  TerminalSnapshot,
  TerminalStatus,
} from '../core/ports/processHost.ts';
import {
  type ClientNotifications,
  defaultWindowBytes,
  type HostMethod,
  type HostNotifications,
  type HostRequests,
} from './wire.ts';

/** The connection as its callers see it. */
export interface HostCaller {
  request<M extends HostMethod>(
    method: M,
    params: HostRequests[M]['params'],
  ): Promise<HostRequests[M]['result']>;
  notify<N extends keyof ClientNotifications>(name: N, params: ClientNotifications[N]): void;
}

interface Stream {
  readonly id: string;
  readonly options: Required<FollowOptions>;
  readonly sink: FollowSink;
  /** Offset of the next byte to deliver: where it goes on after a broken connection. */
  next: number;
  /** Of the last acknowledgement that was sent. */
  acked: number;
}

/** What clients and workers do with terminals, over a connection that may be replaced. */
export class TerminalCalls {
  private readonly caller: HostCaller;
  private readonly logger: Pick<Logger, 'error'>;
  private readonly streams = new Map<number, Stream>();
  private nextStream = 1;

  constructor(caller: HostCaller, logger: Pick<Logger, 'error'>) {
    this.caller = caller;
    this.logger = logger;
  }

  spawnTerminal(options: SpawnTerminalOptions): Promise<TerminalStatus> {
    return this.caller.request('spawnTerminal', options);
  }

  listTerminals(): Promise<TerminalStatus[]> {
    return this.caller.request('listTerminals', {});
  }

  async writeTerminal(id: string, data: string | Uint8Array): Promise<void> {
    const input =
      typeof data === 'string' ? { text: data } : { base64: Buffer.from(data).toString('base64') };
    await this.caller.request('writeTerminal', { id, ...input });
  }

  async resizeTerminal(id: string, cols: number, rows: number): Promise<void> {
    await this.caller.request('resizeTerminal', { id, cols, rows });
  }

  async killTerminal(id: string, options: KillOptions = {}): Promise<void> {
    await this.caller.request('killTerminal', { id, ...options });
  }

  async removeTerminal(id: string): Promise<void> {
    await this.caller.request('removeTerminal', { id });
  }

  snapshotTerminal(id: string, options: SnapshotOptions = {}): Promise<TerminalSnapshot> {
    return this.caller.request('snapshotTerminal', { id, ...options });
  }

  /** Asks in pages; stops before a gap, so that `data` is of one piece. */
  async readTerminal(id: string, from: number, to: number): Promise<TerminalBytes> {
    const pages: Buffer[] = [];
    let start = from;
    let position = from;
    for (;;) {
      const page = await this.caller.request('readTerminal', { id, from: position, to });
      const data = Buffer.from(page.base64, 'base64');
      const isGap = page.from > position;
      if (pages.length === 0) start = position = page.from;
      if (data.length > 0 && (pages.length === 0 || !isGap)) pages.push(data);
      position += data.length;
      if (data.length === 0 || (isGap && pages.length > 1) || position >= to) {
        return { from: start, data: Buffer.concat(pages), end: page.end };
      }
    }
  }

  async followTerminal(id: string, options: FollowOptions, sink: FollowSink): Promise<TerminalFollower> {
    const number = this.nextStream++;
    const stream: Stream = {
      id,
      options: {
        from: options.from,
        windowBytes: options.windowBytes ?? defaultWindowBytes,
        isForeground: options.isForeground ?? false,
      },
      sink,
      next: options.from,
      acked: options.from,
    };
    // Known before it is asked for: the first bytes may come together with the answer.
    this.streams.set(number, stream);
    try {
      await this.caller.request('followTerminal', { id, stream: number, ...stream.options });
    } catch (error) {
      this.streams.delete(number);
      throw error;
    }
    return {
      ack: (offset) => {
        this.ack(number, offset);
      },
      dispose: () => {
        if (this.streams.delete(number)) this.caller.notify('unfollow', { stream: number });
      },
    };
  }

  onOutput(number: number, offset: number, bytes: Buffer): void {
    const stream = this.streams.get(number);
    if (stream === undefined || offset + bytes.length <= stream.next) return;
    const fresh = bytes.subarray(Math.max(0, stream.next - offset));
    const from = Math.max(offset, stream.next);
    stream.next = from + fresh.length;
    this.guard(() => {
      stream.sink.onData(fresh, from);
    });
  }

  /** @returns whether the notification is one of a followed terminal. */
  onNotification(name: string, params: unknown): boolean {
    if (name !== 'gap' && name !== 'resize' && name !== 'end') return false;
    const stream = this.streams.get((params as { stream: number }).stream);
    if (stream === undefined) return true;
    if (name === 'gap') {
      const { from, to } = params as HostNotifications['gap'];
      stream.next = to;
      stream.acked = to;
      this.guard(() => stream.sink.onGap?.(from, to));
    } else if (name === 'resize') {
      const { cols, rows } = params as HostNotifications['resize'];
      this.guard(() => stream.sink.onResize?.(cols, rows));
    } else {
      const { stream: number, exit } = params as HostNotifications['end'];
      this.streams.delete(number);
      this.caller.notify('unfollow', { stream: number });
      this.guard(() => stream.sink.onEnd?.(exit));
    }
    return true;
  }

  /** The same host is reached by a new connection: every stream goes on where it was. */
  async resume(): Promise<void> {
    const asked = [...this.streams].map(async ([number, stream]) => {
      stream.acked = stream.next;
      await this.caller.request('followTerminal', {
        id: stream.id,
        stream: number,
        ...stream.options,
        from: stream.next,
      });
    });
    for (const result of await Promise.allSettled(asked)) {
      if (result.status === 'rejected')
        this.logger.error('A terminal could not be followed again', result.reason);
    }
  }

  /** The host is gone. */
  lose(error: ErrorShape): void {
    const streams = [...this.streams.values()];
    this.streams.clear();
    for (const { sink } of streams) this.guard(() => sink.onLost?.(error));
  }

  /** An eighth of the window at a time: what is below holds nothing up. */
  private ack(number: number, offset: number): void {
    const stream = this.streams.get(number);
    if (stream === undefined || offset - stream.acked < stream.options.windowBytes / 8) return;
    stream.acked = Math.min(offset, stream.next);
    this.caller.notify('ack', { stream: number, offset: stream.acked });
  }

  /** A reader that throws must not take the connection of all others along. */
  private guard(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.logger.error('A reader of a terminal failed', error);
    }
  }
}
