import { rmSync } from 'node:fs';
import type {
  SpawnTerminalOptions,
  TerminalExit,
  TerminalExitStatus,
  TerminalStatus,
} from '../core/ports/processHost.ts';
import type { TerminalMeta } from './catalogue.ts';
import { systemCode } from './files.ts';
import { Follower, type FollowerChannel, type FollowerOptions } from './follower.ts';
import type { PtyProcess } from './ptyProcess.ts';
import { TerminalRecord } from './terminalRecord.ts';

/** While output flows it is recorded and sent at these steps; a few bytes, such as an echo, go at once. */
const windowMs = 2;
const windowBytes = 64 * 1024;
/** More than that at once is surely followed by more. */
const fewBytes = 1_000;
/** So often within one window. */
const maxFlushesAtOnce = 4;

/** One terminal: its record, its followers, and its process as long as there is one. */
export class Terminal {
  meta: TerminalMeta;
  readonly record: TerminalRecord;
  private pty: PtyProcess | undefined;
  private readonly followers = new Map<FollowerChannel, Map<number, Follower>>();
  private pending: Buffer[] = [];
  private pendingBytes = 0;
  private flushTimer: NodeJS.Timeout | undefined;
  private windowStart = 0;
  private flushesAtOnce = 0;
  private isPaused = false;
  /** It drains to its end, whoever reads how slowly. */
  private isEnding = false;

  private constructor(dir: string, meta: TerminalMeta, isNew: boolean) {
    this.meta = meta;
    const { recordLimitBytes: limitBytes, cols, rows } = meta;
    const size = cols === undefined || rows === undefined ? undefined : { cols, rows };
    this.record = new TerminalRecord(dir, { limitBytes, size, isNew });
  }

  /** Makes the folder of a terminal that is about to be started. */
  static create(dir: string, options: SpawnTerminalOptions, startedAt: number): Terminal {
    const { id, file, cwd, cols, rows, recordLimitBytes, ceilings } = options;
    const meta = { id, pid: 0, file, cwd, startedAt, cols, rows, recordLimitBytes, ceilings };
    try {
      return new Terminal(dir, meta, true);
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error;
      // Of a host that died before it had started the process.
      rmSync(dir, { recursive: true, force: true });
      return new Terminal(dir, meta, true);
    }
  }

  /** A terminal of an earlier host: without process, readable as long as its record is there. */
  static load(dir: string, meta: TerminalMeta): Terminal {
    return new Terminal(dir, meta, false);
  }

  attach(pty: PtyProcess): void {
    this.pty = pty;
    this.meta = { ...this.meta, pid: pty.pid };
  }

  get isLive(): boolean {
    return this.meta.exit === undefined;
  }

  /** What `onExit` told, complete once `finish` was called. */
  get exit(): TerminalExit | undefined {
    const { id, exit } = this.meta;
    return exit === undefined ? undefined : { id, ...exit, end: this.record.end };
  }

  get status(): TerminalStatus {
    const foregroundProcess = this.isLive ? this.pty?.foregroundProcess : undefined;
    return { ...this.ownStatus, ...(foregroundProcess === undefined ? {} : { foregroundProcess }) };
  }

  /** What is known without asking the system. */
  get ownStatus(): TerminalStatus {
    const { id, pid, cwd, file, startedAt, ceilings, exit } = this.meta;
    return {
      id,
      pid,
      ...this.size,
      cwd,
      file,
      startedAt,
      recordStart: this.record.start,
      end: this.record.end,
      ...(ceilings === undefined ? {} : { ceilings }),
      ...(exit === undefined ? {} : { exit }),
    };
  }

  get size(): { cols: number; rows: number } {
    const { cols, rows } = this.record.resizes.at(-1) ?? { cols: 80, rows: 24 };
    return { cols, rows };
  }

  /** Output of the process. */
  receive(data: Buffer): void {
    this.pending.push(data);
    this.pendingBytes += data.length;
    if (this.pendingBytes >= windowBytes || (this.pendingBytes < fewBytes && this.mayFlushAtOnce()))
      this.flush();
    else
      this.flushTimer ??= setTimeout(() => {
        this.flush();
      }, windowMs);
  }

  private mayFlushAtOnce(): boolean {
    const now = performance.now();
    if (now - this.windowStart >= windowMs) {
      this.windowStart = now;
      this.flushesAtOnce = 0;
    }
    return ++this.flushesAtOnce <= maxFlushesAtOnce;
  }

  write(data: Buffer): void {
    this.pty?.write(data);
  }

  resize(cols: number, rows: number): void {
    // What the program has written so far was laid out for the size until now.
    this.flush();
    this.pty?.resize(cols, rows);
    this.record.resize(cols, rows);
    this.pump();
  }

  follow(channel: FollowerChannel, options: FollowerOptions): void {
    this.flush();
    const follower = new Follower(this.record, channel, options);
    const ofChannel = this.followers.get(channel) ?? new Map<number, Follower>();
    this.followers.set(channel, ofChannel.set(options.stream, follower));
    follower.pump(this.exit);
    this.updatePause();
  }

  ack(channel: FollowerChannel, stream: number, offset: number): void {
    const follower = this.followers.get(channel)?.get(stream);
    if (follower === undefined) return;
    follower.ack(offset);
    follower.pump(this.exit);
    this.updatePause();
  }

  /** Without `stream`: everything of that connection, which is gone. */
  unfollow(channel: FollowerChannel, stream?: number): void {
    const ofChannel = this.followers.get(channel);
    if (stream !== undefined) ofChannel?.delete(stream);
    if (stream === undefined || ofChannel?.size === 0) this.followers.delete(channel);
    this.updatePause();
  }

  /** The connection takes data again. */
  pumpChannel(channel: FollowerChannel): void {
    const exit = this.exit;
    for (const follower of this.followers.get(channel)?.values() ?? []) follower.pump(exit);
  }

  /** From here on nobody's pace holds the program up: what it still writes goes to the record. */
  drain(): void {
    this.isEnding = true;
    this.updatePause();
  }

  closeMaster(): void {
    this.pty?.close();
  }

  /**
   * The process has ended and its last byte was received.
   * @param save writes down what is known by now; nobody is told of the end before.
   */
  finish(exit: TerminalExitStatus, save: (meta: TerminalMeta) => void): TerminalExit {
    this.flush();
    this.pty = undefined;
    this.meta = { ...this.meta, exit };
    this.record.dispose();
    save(this.meta);
    this.pump();
    return { id: this.meta.id, ...exit, end: this.record.end };
  }

  /** Deletes the record. */
  remove(): void {
    this.record.dispose();
    rmSync(this.record.dir, { recursive: true, force: true });
  }

  /** Brings what was received to the record and to its readers. */
  flush(): void {
    clearTimeout(this.flushTimer);
    this.flushTimer = undefined;
    const [first] = this.pending;
    if (first === undefined) return;
    const data = this.pending.length === 1 ? first : Buffer.concat(this.pending, this.pendingBytes);
    this.pending = [];
    this.pendingBytes = 0;
    const offset = this.record.end;
    // On disk first: who was sent a byte may rely on finding it in the record.
    this.record.append(data);
    this.pump({ offset, data });
    this.updatePause();
  }

  private pump(live?: { offset: number; data: Buffer }): void {
    const exit = this.exit;
    for (const ofChannel of this.followers.values()) {
      for (const follower of ofChannel.values()) follower.pump(exit, live);
    }
  }

  /** Only a reader that a person looks at may hold the program up; half a window between stopping and going on. */
  private updatePause(): void {
    let mustPause = false;
    if (!this.isEnding) {
      for (const ofChannel of this.followers.values()) {
        for (const { isForeground, lag, window } of ofChannel.values()) {
          if (isForeground && lag >= (this.isPaused ? window / 2 : window)) mustPause = true;
        }
      }
    }
    if (mustPause === this.isPaused) return;
    this.isPaused = mustPause;
    if (mustPause) this.pty?.pause();
    else this.pty?.resume();
  }
}
