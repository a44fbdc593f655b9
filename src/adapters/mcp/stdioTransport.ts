import type { JSONRPCMessage, Transport } from '@modelcontextprotocol/client';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { OrchestratorError } from '../../base/errors.ts';

export interface StdioOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** The server's whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly limits: StdioLimits;
}

export interface StdioLimits {
  /** Of one message, in bytes. At it the server is ended. */
  readonly maxMessageBytes: number;
  /** What may wait to be taken by the server, in bytes. At it the server is ended. */
  readonly maxUnsentBytes: number;
  /** From asking a server to end to killing it, in milliseconds. */
  readonly killAfterMs: number;
}

/** What is kept of its standard error, and of lines that are no messages. */
const complaintBytes = 4 * 1024;
/** How long its output may stay open after its exit: something that it has started holds it. */
const drainMs = 500;
const pollMs = 20;

/**
 * An MCP server as a child process, leader of a process group and session of its own. Whatever it does: what it makes us
 * hold is bounded, its end is told, and `close` resolves once its group is gone. The library's own transport ends only
 * the leader, and keeps what it cannot send.
 */
export class StdioTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: Transport['onmessage'];

  private readonly options: StdioOptions;
  private child: ChildProcessByStdio<Writable, Readable, Readable> | undefined;
  private complaints = '';
  private pieces: Buffer[] = [];
  private pieceBytes = 0;
  private ending: Promise<void> | undefined;
  private isClosed = false;
  private _fault: string | undefined;

  constructor(options: StdioOptions) {
    this.options = options;
  }

  /** Why it was ended, or how it did: for a person. Undefined while it runs. */
  get fault(): string | undefined {
    return this._fault;
  }

  /** The end of what it said besides messages: a stranger's text. */
  get complaint(): string {
    return this.complaints.trim();
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  /** Error: `spawn_failed`. */
  async start(): Promise<void> {
    const { command, args, cwd, env } = this.options;
    const child = spawn(command, args, {
      cwd,
      env,
      detached: process.platform !== 'win32',
      windowsHide: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    try {
      await new Promise((resolve, reject) => {
        child.once('spawn', resolve);
        child.once('error', reject);
      });
    } catch (error) {
      throw new OrchestratorError(
        'FAILED_PRECONDITION',
        'spawn_failed',
        `${command} could not be started: ${OrchestratorError.from(error).message}`,
        { cause: error },
      );
    }
    this.child = child;
    child.on('error', () => undefined);
    child.stdin.on('error', () => undefined);
    child.stdout.on('error', () => undefined);
    child.stderr.on('error', () => undefined);
    child.stdout.on('data', (chunk: Buffer) => this.read(chunk));
    child.stderr.on('data', (chunk: Buffer) => this.complain(chunk.toString()));
    child.once('exit', (code, signal) => {
      this._fault ??= `It has ended${signal === null ? ` with code ${code ?? '?'}` : ` by ${signal}`}.`;
      // What it has started, and what it said last.
      void this.end();
      setTimeout(() => this.settle(), drainMs).unref();
    });
    child.once('close', () => this.settle());
  }

  send(message: JSONRPCMessage): Promise<void> {
    const { child } = this;
    if (child === undefined || this.ending !== undefined || this.isClosed) return Promise.reject(this.gone());
    child.stdin.write(`${JSON.stringify(message)}\n`);
    if (child.stdin.writableLength <= this.options.limits.maxUnsentBytes) return Promise.resolve();
    this.fail('It does not read what it is sent.');
    return Promise.reject(this.gone());
  }

  async close(): Promise<void> {
    await this.end();
    this.settle();
  }

  private read(chunk: Buffer): void {
    let rest = chunk;
    for (let end = rest.indexOf(10); end !== -1 && !this.isClosed; end = rest.indexOf(10)) {
      const line = Buffer.concat([...this.pieces, rest.subarray(0, end)]).toString();
      this.pieces = [];
      this.pieceBytes = 0;
      rest = rest.subarray(end + 1);
      this.readLine(line);
    }
    if (rest.length === 0 || this.isClosed) return;
    this.pieces.push(rest);
    this.pieceBytes += rest.length;
    if (this.pieceBytes > this.options.limits.maxMessageBytes) {
      this.fail(`It has sent a message of more than ${this.options.limits.maxMessageBytes} bytes.`);
    }
  }

  private readLine(line: string): void {
    if (line.trim() === '') return;
    let message: unknown;
    try {
      message = JSON.parse(line);
    } catch {
      this.complain(`${line.slice(0, complaintBytes)}\n`);
      return;
    }
    if (typeof message !== 'object' || message === null) return;
    // Its shape is the protocol's to check.
    this.onmessage?.(message as JSONRPCMessage);
  }

  private complain(text: string): void {
    this.complaints = (this.complaints + text).slice(-complaintBytes);
  }

  private fail(why: string): void {
    this._fault ??= why;
    this.settle();
    void this.end();
  }

  private gone(): Error {
    return new OrchestratorError('UNAVAILABLE', 'tool_failed', this._fault ?? 'It does not run any more.');
  }

  /** Nothing more comes. */
  private settle(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.pieces = [];
    this.child?.stdout.destroy();
    this.child?.stderr.destroy();
    this.onclose?.();
  }

  private end(): Promise<void> {
    this.ending ??= this.endGroup();
    return this.ending;
  }

  private async endGroup(): Promise<void> {
    const { child } = this;
    if (child?.pid === undefined) return;
    child.stdin.destroy();
    const isGroup = process.platform !== 'win32';
    const signal = (name: NodeJS.Signals | 0): boolean => {
      if (!isGroup)
        return name !== 0 ? child.kill(name) : child.exitCode === null && child.signalCode === null;
      try {
        return process.kill(-(child.pid ?? 0), name);
      } catch {
        return false;
      }
    };
    const killAt = Date.now() + this.options.limits.killAfterMs;
    if (!signal('SIGTERM')) return;
    // A stopped process hears it only once it is continued.
    signal('SIGCONT');
    while (signal(0)) {
      if (Date.now() >= killAt) break;
      await delay(pollMs);
    }
    if (!signal('SIGKILL')) return;
    const giveUpAt = Date.now() + this.options.limits.killAfterMs;
    while (signal(0) && Date.now() < giveUpAt) await delay(pollMs);
  }
}
