import { readSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { SocketConstructorOpts } from 'node:net';
import { ReadStream } from 'node:tty';
import type * as NodePty from 'node-pty';
import { OrchestratorError } from '../base/errors.ts';
import { systemCode } from './files.ts';
import { type Flooding, FloodLane } from './floodLane.ts';

/** One pseudo-terminal with its leading process. Bytes in, bytes out; nothing is decoded. */
export interface PtyProcess {
  readonly pid: number;
  /** Name of the program in the foreground, where the platform tells. */
  readonly foregroundProcess: string | undefined;
  /** Queues input. @throws OrchestratorError when the program has left too much unread. */
  write(data: Buffer): void;
  resize(cols: number, rows: number): void;
  /** Stops reading, so that the program blocks once the kernel's buffer is full. */
  pause(): void;
  resume(): void;
  /**
   * Takes what was written so far and closes the master: hangs up whoever is left on the other side. `onEnd` follows if
   * it has not come.
   */
  close(): void;
}

export interface PtyOptions {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly cols: number;
  readonly rows: number;
}

export interface PtyHandler {
  onData(data: Buffer): void;
  /** The leader has ended and is reaped. Output may still come. */
  onExit(exitCode: number, signal: number): void;
  /** Everything that was ever written to the terminal has been handed to `onData`; nothing more can come. */
  onEnd(): void;
}

/** Input that a program may leave unread before we refuse more. */
const maxInputBytes = 16 * 1024 * 1024;
const inputSliceBytes = 64 * 1024;
const readBytes = 64 * 1024;
/** Linux hands out 4,095 bytes at once, others less. */
const fullReadBytes = 1_000;
/** After so many full reads in a row a terminal counts as flooding. */
const floodReads = 8;
/** More than the kernel holds of a terminal, so that a stranger who writes for ever does not keep it open. */
const maxUnreadBytes = 1024 * 1024;
/** A slice ends early when its reads have to wait for their writer. */
const sliceMs = 1;

/** For all terminals: what is read is copied out of it before the next read. */
const readBuffer = Buffer.allocUnsafeSlow(readBytes);
const floodLane = new FloodLane();

interface UnixBinding {
  fork(
    file: string,
    args: readonly string[],
    env: readonly string[],
    cwd: string,
    cols: number,
    rows: number,
    uid: number,
    gid: number,
    isUtf8: boolean,
    helperPath: string,
    onExit: (exitCode: number, signal: number) => void,
  ): { fd: number; pid: number; pty: string };
  resize(fd: number, cols: number, rows: number, xPixels: number, yPixels: number): void;
  process(fd: number, pty?: string): string | undefined;
}

let binding: { native: UnixBinding; helperPath: string } | undefined;

/** @throws OrchestratorError native_module_missing */
function loadBinding(): { native: UnixBinding; helperPath: string } {
  if (binding !== undefined) return binding;
  const require = createRequire(__filename);
  try {
    const utils = require('node-pty/lib/utils') as {
      loadNativeModule(name: string): { dir: string; module: UnixBinding };
    };
    const { dir, module } = utils.loadNativeModule('pty');
    const helperPath = require
      .resolve('node-pty/package.json')
      .replace(/package\.json$/, `lib/${dir}/spawn-helper`);
    binding = { native: module, helperPath };
    return binding;
  } catch (error) {
    throw nativeModuleMissing(error);
  }
}

function nativeModuleMissing(error: unknown): OrchestratorError {
  return new OrchestratorError(
    'FAILED_PRECONDITION',
    'native_module_missing',
    `Terminals need node-pty's native part for ${process.platform}-${process.arch}, and it does not load: ${error instanceof Error ? error.message : String(error)}. Install the package of the extension that is made for this platform.`,
    { cause: error },
  );
}

export function spawnPty(options: PtyOptions, handler: PtyHandler): PtyProcess {
  return process.platform === 'win32' ? new WindowsPty(options, handler) : new UnixPty(options, handler);
}

/**
 * Built on node-pty's native part instead of its `UnixTerminal`, for three reasons. That one destroys the master 200 ms
 * after the leader's exit, which loses output whenever we have paused it; it spins on a program that does not read its
 * input; and without a text encoding it leaves IUTF8 off, so that erasing a letter in a cooked terminal erases a byte.
 */
class UnixPty implements PtyProcess, Flooding {
  readonly pid: number;
  private readonly fd: number;
  private readonly ptyName: string;
  private readonly stream: ReadStream;
  private readonly native: UnixBinding;
  private readonly input: Buffer[] = [];
  private inputBytes = 0;
  private inputTimer: NodeJS.Timeout | undefined;
  private retryMs = 1;
  private isClosed = false;
  private hasExited = false;
  private isPaused = false;
  private fullReads = 0;
  private readonly handler: PtyHandler;

  constructor(options: PtyOptions, handler: PtyHandler) {
    this.handler = handler;
    const { native, helperPath } = loadBinding();
    this.native = native;
    const env = Object.entries(options.env).map(([name, value]) => `${name}=${value}`);
    const { file, args, cwd, cols, rows } = options;
    const child = native.fork(
      file,
      args,
      env,
      cwd,
      cols,
      rows,
      -1,
      -1,
      true,
      helperPath,
      (exitCode, signal) => {
        this.leaveLane();
        handler.onExit(exitCode, signal);
      },
    );
    this.pid = child.pid;
    this.fd = child.fd;
    this.ptyName = child.pty;
    const socketOptions: SocketConstructorOpts = {
      onread: {
        buffer: readBuffer,
        callback: (count) => {
          this.onRead(count);
          return true;
        },
      },
    };
    this.stream = new ReadStream(child.fd, socketOptions);
    this.stream.resume();
    // Linux ends a master with EIO once the last slave is closed and everything was read; others with an end of file.
    this.stream.on('error', () => undefined);
    this.stream.on('close', () => {
      this.isClosed = true;
      this.dropInput();
      handler.onEnd();
    });
  }

  get foregroundProcess(): string | undefined {
    if (this.isClosed) return undefined;
    return process.platform === 'darwin'
      ? this.native.process(this.fd)
      : this.native.process(this.fd, this.ptyName);
  }

  write(data: Buffer): void {
    if (this.isClosed || data.length === 0) return;
    if (this.inputBytes + data.length > maxInputBytes) {
      throw new OrchestratorError(
        'RESOURCE_EXHAUSTED',
        'invalid_request',
        `The program in this terminal has left ${this.inputBytes} bytes of input unread. Wait until it reads on, or end it.`,
      );
    }
    this.input.push(data);
    this.inputBytes += data.length;
    floodLane.onInput();
    if (this.inputTimer === undefined) this.feed();
  }

  resize(cols: number, rows: number): void {
    if (!this.isClosed) this.native.resize(this.fd, cols, rows, 0, 0);
  }

  pause(): void {
    this.isPaused = true;
    floodLane.delete(this);
    this.stream.pause();
  }

  resume(): void {
    this.isPaused = false;
    this.fullReads = 0;
    this.stream.resume();
  }

  close(): void {
    if (this.isClosed) return;
    floodLane.delete(this);
    this.stream.pause();
    // On a busy machine we may only be late: what is there was written by the tree, which has ended.
    for (let taken = 0; taken < maxUnreadBytes; ) {
      const count = this.read(0, readBytes);
      if (count === 0) break;
      this.handler.onData(Buffer.from(readBuffer.subarray(0, count)));
      taken += count;
    }
    this.stream.destroy();
  }

  readSlice(maxBytes: number): boolean {
    const deadline = performance.now() + sliceMs;
    let filled = 0;
    let hasMore = true;
    while (hasMore && filled < maxBytes && performance.now() < deadline) {
      const count = this.read(filled, maxBytes - filled);
      filled += count;
      hasMore = count > 0;
    }
    if (filled > 0) this.handler.onData(Buffer.from(readBuffer.subarray(0, filled)));
    // Its reader has paused it, or has already let it go on.
    if (this.isPaused || this.isClosed || !this.stream.isPaused()) return false;
    if (!hasMore) {
      this.fullReads = 0;
      this.stream.resume();
    }
    return hasMore;
  }

  /** @returns how many bytes of `readBuffer` were filled; 0 where nothing is there now, and at the end. */
  private read(at: number, maxBytes: number): number {
    try {
      return readSync(this.fd, readBuffer, at, maxBytes, null);
    } catch {
      // EAGAIN. Everything else comes to the stream as well, which ends by it.
      return 0;
    }
  }

  /** The process has ended. What is left is little and its end is waited for: it does not queue behind floods. */
  private leaveLane(): void {
    this.hasExited = true;
    floodLane.delete(this);
    if (!this.isPaused && !this.isClosed) this.stream.resume();
  }

  private onRead(count: number): void {
    this.fullReads = count < fullReadBytes ? 0 : this.fullReads + 1;
    this.handler.onData(Buffer.from(readBuffer.subarray(0, count)));
    if (this.fullReads < floodReads || this.hasExited || this.isPaused || this.isClosed) return;
    this.stream.pause();
    floodLane.add(this);
  }

  /**
   * The descriptor never blocks, so writing at once costs a copy, and no write can be on its way when it is closed. A
   * program that does not read is asked again ever more seldom, up to 32 ms.
   */
  private feed(): void {
    this.inputTimer = undefined;
    while (this.input[0] !== undefined) {
      const first = this.input[0];
      let written: number;
      try {
        written = writeSync(this.fd, first, 0, Math.min(first.length, inputSliceBytes));
      } catch (error) {
        if (systemCode(error) !== 'EAGAIN') {
          // EIO: nobody has the other side open any more.
          this.dropInput();
          return;
        }
        written = 0;
      }
      if (written === first.length) this.input.shift();
      else this.input[0] = first.subarray(written);
      this.inputBytes -= written;
      if (written < first.length) {
        this.retryMs = written > 0 ? 1 : Math.min(this.retryMs * 2, 32);
        this.inputTimer = setTimeout(() => {
          this.feed();
        }, this.retryMs);
        return;
      }
    }
    this.retryMs = 1;
  }

  private dropInput(): void {
    clearTimeout(this.inputTimer);
    this.inputTimer = undefined;
    this.input.length = 0;
    this.inputBytes = 0;
  }
}

/** ConPTY through node-pty's own classes; it hands out text. */
class WindowsPty implements PtyProcess {
  readonly pid: number;
  private readonly pty: NodePty.IPty;
  private hasExited = false;

  constructor(options: PtyOptions, handler: PtyHandler) {
    let nodePty: typeof NodePty;
    try {
      nodePty = createRequire(__filename)('node-pty') as typeof NodePty;
    } catch (error) {
      throw nativeModuleMissing(error);
    }
    const { file, args, cwd, env, cols, rows } = options;
    this.pty = nodePty.spawn(file, [...args], { cwd, env: { ...env }, cols, rows, name: 'xterm-256color' });
    this.pid = this.pty.pid;
    this.pty.onData((text) => {
      handler.onData(Buffer.from(text, 'utf8'));
    });
    // It tells the exit once the console's output pipe is drained.
    this.pty.onExit(({ exitCode, signal }) => {
      this.hasExited = true;
      handler.onExit(exitCode, signal ?? 0);
      handler.onEnd();
    });
  }

  get foregroundProcess(): string | undefined {
    return this.hasExited ? undefined : this.pty.process;
  }

  write(data: Buffer): void {
    if (!this.hasExited) this.pty.write(data.toString('utf8'));
  }

  resize(cols: number, rows: number): void {
    if (!this.hasExited) this.pty.resize(cols, rows);
  }

  pause(): void {
    if (!this.hasExited) this.pty.pause();
  }

  resume(): void {
    if (!this.hasExited) this.pty.resume();
  }

  close(): void {
    if (!this.hasExited) this.pty.kill();
  }
}
