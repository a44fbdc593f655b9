import { Worker } from 'node:worker_threads';
import { OrchestratorError } from '../base/errors.ts';
import type { SnapshotOptions, TerminalSnapshot } from '../core/ports/processHost.ts';
import type { Screen } from './screenModel.ts';
import type { ScreenWorkerAnswer, ScreenWorkerRequest } from './screenWorker.ts';
import type { Terminal } from './terminal.ts';

const defaultScrollback = 1_000;
/** A screen takes half a second at most; output can be made to take for ever. */
const maxDrawMs = 20_000;
/** Without a request for so long, the thread ends and gives its memory back. */
const idleMs = 120_000;

/** The parser of screens, in a thread of its own: started when first needed, replaced when it dies. */
export class Screens {
  private readonly program: string;
  private readonly log: (message: string, error?: unknown) => void;
  private worker: Worker | undefined;
  private idleTimer: NodeJS.Timeout | undefined;
  private drawTimer: NodeJS.Timeout | undefined;
  private nextRequest = 1;
  private readonly pending = new Map<
    number,
    { resolve: (screen: Screen) => void; reject: (error: Error) => void }
  >();

  constructor(program: string, log: (message: string, error?: unknown) => void) {
    this.program = program;
    this.log = log;
  }

  async snapshot(terminal: Terminal, options: SnapshotOptions): Promise<TerminalSnapshot> {
    terminal.flush();
    const { record, meta } = terminal;
    const request: ScreenWorkerRequest = {
      request: this.nextRequest++,
      id: meta.id,
      dir: record.dir,
      resizes: record.resizes,
      end: record.end,
      unwritten: record.unwritten,
      scrollback: options.scrollback ?? defaultScrollback,
      cols: options.cols,
      rows: options.rows,
    };
    const droppedBytes = record.start;
    const screen = await new Promise<Screen>((resolve, reject) => {
      this.pending.set(request.request, { resolve, reject });
      const worker = this.start();
      worker.postMessage(request);
      if (this.pending.size === 1) this.watch(worker);
    });
    return { ...screen, droppedBytes };
  }

  private start(): Worker {
    clearTimeout(this.idleTimer);
    if (this.worker !== undefined) return this.worker;
    const worker = new Worker(this.program, {
      // One model of 100,000 wide lines must not take the host along.
      resourceLimits: { maxOldGenerationSizeMb: 1_024 },
      stdout: true,
      stderr: true,
    });
    worker.unref();
    worker.on('message', (answer: ScreenWorkerAnswer) => {
      const waiting = this.pending.get(answer.request);
      this.pending.delete(answer.request);
      if ('screen' in answer) waiting?.resolve(answer.screen);
      else waiting?.reject(failed(answer.error));
      clearTimeout(this.drawTimer);
      if (this.pending.size === 0) this.endWhenIdle(worker);
      else this.watch(worker);
    });
    worker.on('error', (error) => {
      this.log('The screen worker failed', error);
    });
    worker.on('exit', (code) => {
      if (this.worker !== worker) return;
      clearTimeout(this.drawTimer);
      this.worker = undefined;
      const waiting = [...this.pending.values()];
      this.pending.clear();
      for (const { reject } of waiting) reject(failed(`the screen worker ended with ${code}`));
    });
    this.worker = worker;
    return worker;
  }

  /** The thread does not hear us while it draws: it is replaced, and whoever waits for it asks again. */
  private watch(worker: Worker): void {
    this.drawTimer = setTimeout(() => {
      this.log('A screen takes too long to draw: its worker is ended');
      void worker.terminate();
    }, maxDrawMs).unref();
  }

  private endWhenIdle(worker: Worker): void {
    this.idleTimer = setTimeout(() => {
      if (this.worker === worker) this.worker = undefined;
      void worker.terminate();
    }, idleMs).unref();
  }
}

function failed(why: string): OrchestratorError {
  return new OrchestratorError('INTERNAL', 'internal', `The screen could not be drawn: ${why}`);
}
