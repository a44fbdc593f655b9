import { availableParallelism } from 'node:os';

/**
 * Programs that write without end are read one at a time, a slice each, with a turn of the event loop in between, so
 * that a turn stays short however many there are.
 *
 * That alone does not help who types into another terminal: each byte that we take lets a writer run on, and with more
 * writers than processors the program that is to answer waits for its turn behind all of them. So for a moment after
 * every input the floods are read slowly: their writers wait for us, and the processors are free.
 */
export interface Flooding {
  /** Reads at most `maxBytes`. @returns whether more is there already. */
  readSlice(maxBytes: number): boolean;
}

const sliceBytes = 64 * 1024;
/** What Linux hands out at once. Together with the distance: 4 MB/s for all floods, while somebody types. */
const pacedSliceBytes = 4_096;
const pacedDistanceMs = 1;
/** The next key of who types comes within this time. */
const pacedAfterInputMs = 300;

export class FloodLane {
  private readonly processors = availableParallelism();
  /** In the order in which they are served. */
  private readonly members = new Set<Flooding>();
  private isScheduled = false;
  private lastInput = Number.NEGATIVE_INFINITY;

  add(member: Flooding): void {
    this.members.add(member);
    this.schedule();
  }

  delete(member: Flooding): void {
    this.members.delete(member);
  }

  /** Somebody has typed into some terminal. */
  onInput(): void {
    this.lastInput = performance.now();
  }

  private get isPaced(): boolean {
    return this.members.size >= this.processors && performance.now() - this.lastInput < pacedAfterInputMs;
  }

  private schedule(): void {
    if (this.isScheduled || this.members.size === 0) return;
    this.isScheduled = true;
    const serve = (): void => {
      this.isScheduled = false;
      this.serve(this.isPaced ? pacedSliceBytes : sliceBytes);
      this.schedule();
    };
    if (this.isPaced) setTimeout(serve, pacedDistanceMs);
    else setImmediate(serve);
  }

  private serve(maxBytes: number): void {
    const [next] = this.members;
    if (next === undefined) return;
    this.members.delete(next);
    if (next.readSlice(maxBytes)) this.members.add(next);
  }
}
