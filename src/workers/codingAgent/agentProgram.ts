import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import type { Clock } from '../../base/clock.ts';
import { type Disposable, DisposableStore } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import { processTable } from '../../processHost/processTable.ts';
import { killTrees, type TreeRoot } from '../../processHost/processTree.ts';
import { JsonLines } from './jsonLines.ts';

/** How long an agent has to end by itself after an interrupt: it writes its conversation down. */
const interruptGraceMs = 1_500;
/** From asking the process tree to end to killing it. With the time above: all is gone within 3 s of an abort. */
const terminateGraceMs = 1_000;
/** How long it may take to exit once it has told its end, or closed its output. */
const lingerMs = 5_000;
/** How long its output may stay open after its exit: something that it has started holds it. */
const drainMs = 1_000;
/** What is kept of its standard error, and of lines that are no messages. */
const tailBytes = 4 * 1024;

export interface AgentProgramOptions {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** Holds the worker's own token: so the process host finds what a killed worker leaves behind. */
  readonly env: Readonly<Record<string, string>>;
  readonly input: string;
  readonly clock: Clock;
}

export interface ProgramExit {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The end of what it said besides messages, as text. */
  readonly complaint: string;
}

/**
 * A coding agent as a child process with pipes, leader of a process group and session of its own. Whatever it does, it
 * ends: what it holds in memory is bounded, and `run` resolves once nothing that it has started lives any more.
 */
export class AgentProgram implements Disposable {
  private readonly options: AgentProgramOptions;
  private readonly disposables = new DisposableStore();
  private readonly lines = new JsonLines();
  private readonly complaints = new Tail();
  private root: TreeRoot | undefined;
  private ending: Promise<unknown> | undefined;
  private isStopping = false;

  constructor(options: AgentProgramOptions) {
    this.options = options;
  }

  /**
   * @param onMessage called with each message in order; the program is read on once it has resolved.
   * Error: `spawn_failed`.
   */
  async run(onMessage: (message: unknown) => Promise<void> | void): Promise<ProgramExit> {
    const child = await this.spawn();
    const exited = new Promise<Pick<ProgramExit, 'exitCode' | 'signal'>>((resolve) => {
      child.once('exit', (exitCode, signal) => {
        this.endAfter(drainMs);
        resolve({ exitCode, signal });
      });
    });
    // It may end before it has read all, or read nothing.
    child.stdin.on('error', () => undefined);
    child.stdin.end(this.options.input);
    child.stderr.on('data', (chunk: Buffer) => this.complaints.add(chunk));
    if (this.isStopping) this.interrupt();
    try {
      for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
        for (const line of this.lines.push(chunk)) await this.readLine(line, onMessage);
      }
      const last = this.lines.end();
      if (last !== undefined) await this.readLine(last, onMessage);
    } finally {
      this.endAfter(lingerMs);
    }
    const exit = await exited;
    await this.kill();
    if (this.lines.dropped > 0) {
      this.complaints.add(
        Buffer.from(`\n${this.lines.dropped} lines of its output were too long to be read.`),
      );
    }
    return { ...exit, complaint: this.complaints.text() };
  }

  /** It has told its end: it is to exit, and is made to where it does not. */
  finish(): void {
    this.endAfter(lingerMs);
  }

  /** Interrupts it as Ctrl-C would; ends it where it does not end by itself. */
  stop(): void {
    if (this.isStopping) return;
    this.isStopping = true;
    this.interrupt();
  }

  dispose(): void {
    this.disposables.dispose();
  }

  private async spawn(): Promise<ChildProcessByStdio<Writable, Readable, Readable>> {
    const { file, args, cwd, env } = this.options;
    const child = spawn(file, args, {
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
        `${file} could not be started: ${OrchestratorError.from(error).message}`,
        { cause: error },
      );
    }
    const pid = child.pid ?? 0;
    const token = env['ORCHESTRATOR_TOKEN'] ?? '';
    this.root = { pid, startTime: processTable.startTime(pid), token, isSessionOurs: true };
    return child;
  }

  private async readLine(line: string, onMessage: (message: unknown) => Promise<void> | void): Promise<void> {
    let message: unknown;
    try {
      message = JSON.parse(line);
    } catch {
      this.complaints.add(Buffer.from(`${line.slice(0, tailBytes)}\n`));
      return;
    }
    await onMessage(message);
  }

  private interrupt(): void {
    const pid = this.root?.pid;
    if (pid === undefined) return;
    try {
      // To its group, as a terminal does it.
      process.kill(process.platform === 'win32' ? pid : -pid, 'SIGINT');
    } catch {
      // It has ended.
    }
    this.endAfter(interruptGraceMs);
  }

  private endAfter(delayMs: number): void {
    this.disposables.add(this.options.clock.setTimer(delayMs, () => void this.kill()));
  }

  /** Ends all that is left of it, and resolves when that is gone. */
  private kill(): Promise<unknown> {
    const { root } = this;
    if (root === undefined) return Promise.resolve();
    // One look at a time: two would send their signals twice.
    this.ending = (this.ending ?? Promise.resolve()).then(() => killTrees([root], terminateGraceMs));
    return this.ending;
  }
}

/** The last bytes of what is added. */
class Tail {
  private bytes: Buffer = Buffer.alloc(0);

  add(chunk: Buffer): void {
    this.bytes = Buffer.concat([this.bytes, chunk.subarray(-tailBytes)]).subarray(-tailBytes);
  }

  text(): string {
    return this.bytes.toString('utf8');
  }
}
