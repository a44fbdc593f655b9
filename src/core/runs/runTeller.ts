import { byteLength, pieceBytes, pieces } from '../../base/clip.ts';
import type { Clock } from '../../base/clock.ts';
import type { Disposable } from '../../base/disposable.ts';
import type { RunEventData, RunEventType } from './runEvents.ts';

/** Resolves once the event is journaled. */
export type EmitRunEvent = <T extends RunEventType>(type: T, data: RunEventData[T]) => Promise<void>;

/** Text that comes together is told together. */
const joinMs = 16;
/** What a run keeps of what is said in it and of its tools, in bytes; one without end would fill the disk. */
const keptBytes = 32 * 1024 * 1024;
/** What stands in a journal beside the payload, about. */
const eventBytes = 300;
/** With so many bytes on their way to the journal, no more are taken. */
const windowBytes = 1024 * 1024;

/**
 * Tells the events of a run in which somebody speaks: joins text that comes in bits, and bounds what is kept of a run
 * and what is on its way to the journal.
 */
export class RunTeller implements Disposable {
  private readonly emit: EmitRunEvent;
  private readonly clock: Clock;
  private step = 1;
  private _textBytes = 0;
  private pending: { readonly kind: 'text' | 'thinking'; text: string } | undefined;
  private timer: Disposable | undefined;
  private keptLeft = keptBytes;
  private unjournaled = 0;
  private wake: () => void = () => undefined;

  constructor(emit: EmitRunEvent, clock: Clock) {
    this.emit = emit;
    this.clock = clock;
  }

  /** Whether anything was said, or a tool was called. */
  get hasContent(): boolean {
    return this.keptLeft < keptBytes || this.pending !== undefined;
  }

  /** What was told of the step's text, in bytes. */
  get textBytes(): number {
    return this._textBytes;
  }

  /** What is said from now on belongs to this step. */
  beginStep(step: number): void {
    this.flush();
    this.step = step;
    this._textBytes = 0;
  }

  /** What was said in the step beyond these bytes does not count: it is about to be said anew. */
  takeBack(textBytes: number): void {
    this.flush();
    this._textBytes = textBytes;
  }

  say(kind: 'text' | 'thinking', text: string): void {
    if (this.pending?.kind !== kind) this.flush();
    this.pending ??= { kind, text: '' };
    this.pending.text += text;
    if (this.pending.text.length >= pieceBytes) this.flush();
    else this.timer ??= this.clock.setTimer(joinMs, () => this.flush());
  }

  flush(): void {
    this.timer?.dispose();
    this.timer = undefined;
    const { pending, step } = this;
    if (pending === undefined) return;
    this.pending = undefined;
    for (const text of pieces(pending.text)) {
      const bytes = byteLength(text);
      if (!this.keep(bytes)) return;
      const delta = { source: 'worker.generator', step, text } as const;
      if (pending.kind === 'thinking') {
        this.tell('worker.generator.reasoning.delta', delta, bytes);
      } else {
        this._textBytes += bytes;
        this.tell('worker.generator.output.delta', { ...delta, to: this._textBytes }, bytes);
      }
    }
  }

  /** @returns whether there is room for so much in what is kept of the run; says so once where there is none. */
  keep(bytes: number): boolean {
    if (this.keptLeft <= 0) return false;
    this.keptLeft -= bytes + eventBytes;
    if (this.keptLeft > 0) return true;
    const text = `\n[${keptBytes / 2 ** 20} MiB are kept of what a run says; the rest is left out.]\n`;
    this._textBytes += byteLength(text);
    const delta = { source: 'worker.generator', step: this.step, text } as const;
    this.tell('worker.generator.output.delta', { ...delta, to: this._textBytes });
    return false;
  }

  /** @param bytes of the payload, where it may be big. */
  tell<T extends RunEventType>(type: T, data: RunEventData[T], bytes = 0): void {
    const size = bytes + eventBytes;
    this.unjournaled += size;
    const settled = (): void => {
      this.unjournaled -= size;
      this.wake();
    };
    // Whoever made `emit` remembers the loss and fails by it.
    this.emit(type, data).then(settled, settled);
  }

  /** Resolves once there is room for more. */
  async room(): Promise<void> {
    while (this.unjournaled > windowBytes) await new Promise<void>((resolve) => (this.wake = resolve));
  }

  dispose(): void {
    this.timer?.dispose();
  }
}

/** Of a payload, in bytes of JSON. */
export function sizeOf(value: unknown): number {
  return byteLength(typeof value === 'string' ? value : JSON.stringify(value));
}
