/**
 * Lets through, of a terminal's bytes, what the steps of a run wrote: neither the marks nor the lines that the driver
 * prints between them.
 *
 * Where a step's output begins and how far it reaches is told by the run's events. They come at most ten times a
 * second, which is too slow for a person who types. So bytes pass at once as long as no mark can be among them: at
 * anything that looks like one (`ESC ] 133 ;`), the gate waits until an event tells whether the step goes on behind it.
 */
export class StepGate {
  private readonly release: (bytes: Buffer, step: number) => void;
  private held: Buffer = Buffer.alloc(0);
  private position = 0;
  /** Those whose output is not all released. */
  private readonly ranges: StepRange[] = [];
  private latest: StepRange | undefined;

  /** @param release is given the bytes in order, each once. */
  constructor(release: (bytes: Buffer, step: number) => void) {
    this.release = release;
  }

  /** Everything before this offset was released or is no output. */
  get usedOffset(): number {
    return this.position;
  }

  /** Whether all that is known to be a step's output was released, and no step is open. */
  get isSettled(): boolean {
    return this.ranges.length === 0;
  }

  data(bytes: Uint8Array): void {
    this.held = this.held.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.held, bytes]);
    this.pump();
  }

  /** [position, to) is not to be had. @returns how many bytes of known output were in it. */
  skipTo(to: number): number {
    const lost = this.ranges.reduce((sum, range) => sum + overlap(range, this.position, to), 0);
    this.position = to;
    this.held = Buffer.alloc(0);
    this.pump();
    return lost;
  }

  /**
   * The step's output begins at `from` and reaches at least to `to`; exactly to it if `isFinal`. Steps come in their
   * order; what is told again changes nothing.
   */
  stepReaches(step: number, from: number, to: number, isFinal: boolean): void {
    const { latest } = this;
    if (latest?.step === step) {
      if (latest.isFinal) return;
      latest.to = isFinal ? to : Math.max(latest.to, to);
      latest.isFinal = isFinal;
    } else if (latest === undefined || step > latest.step) {
      this.latest = { step, from, to, isFinal };
      this.ranges.push(this.latest);
    }
    this.pump();
  }

  private pump(): void {
    for (let range = this.ranges[0]; range !== undefined; range = this.ranges[0]) {
      if (this.position < range.from) this.advance(Math.min(range.from, this.heldEnd));
      if (this.position >= range.from) {
        const limit = range.isFinal ? Math.min(range.to, this.heldEnd) : this.openLimit(range);
        if (limit > this.position) this.release(this.advance(limit), range.step);
      }
      if (!range.isFinal || this.position < range.to) return;
      this.ranges.shift();
    }
  }

  private get heldEnd(): number {
    return this.position + this.held.length;
  }

  /** How far an open step's bytes may go: to what may be a mark, behind what is known to be output. */
  private openLimit(range: StepRange): number {
    const known = Math.max(range.to - this.position, 0);
    if (known >= this.held.length) return this.heldEnd;
    let index = this.held.indexOf(0x1b, known);
    while (index !== -1) {
      if (couldBeMark(this.held, index)) return this.position + index;
      index = this.held.indexOf(0x1b, index + 1);
    }
    return this.heldEnd;
  }

  private advance(to: number): Buffer {
    const count = to - this.position;
    const taken = this.held.subarray(0, count);
    this.held = this.held.subarray(count);
    this.position = to;
    return taken;
  }
}

interface StepRange {
  readonly step: number;
  readonly from: number;
  to: number;
  isFinal: boolean;
}

const introducer = Buffer.from('\x1b]133;');

function couldBeMark(bytes: Buffer, index: number): boolean {
  const length = Math.min(introducer.length, bytes.length - index);
  return bytes.compare(introducer, 0, length, index, index + length) === 0;
}

function overlap(range: StepRange, from: number, to: number): number {
  const end = range.isFinal ? Math.min(range.to, to) : to;
  return Math.max(0, end - Math.max(range.from, from));
}
