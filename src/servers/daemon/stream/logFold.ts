import type { OrchestratorEvent } from '../../../core/events/event.ts';

export interface LogFoldOptions<S> {
  /** The next events of the thing with this id, oldest first. */
  readonly read: (id: string, after: number, limit: number) => readonly OrchestratorEvent[];
  /** Pure. Undefined: nothing is known of it yet. */
  readonly reduce: (state: S | undefined, event: OrchestratorEvent, id: string) => S | undefined;
  /** How many are kept; the others are folded again when they are asked for. */
  readonly capacity: number;
}

interface Entry<S> {
  readonly state: S | undefined;
  /** Everything up to here is in it. */
  readonly sequence: number;
}

const pageSize = 1_000;

/**
 * What the events of each session (run, terminal) amount to, at the place in the log where its owner stands: a function
 * of the log alone, so that it is the same for whoever reads the log again later, and in another process.
 */
export class LogFold<S> {
  private readonly options: LogFoldOptions<S>;
  /** In the order of their last use. */
  private readonly entries = new Map<string, Entry<S>>();

  constructor(options: LogFoldOptions<S>) {
    this.options = options;
  }

  /** Every event in order, as its owner goes on. What is not kept is not folded. */
  take(id: string | undefined, event: OrchestratorEvent): void {
    const entry = id === undefined ? undefined : this.entries.get(id);
    if (id === undefined || entry === undefined || entry.sequence >= event.sequence) return;
    const state = this.options.reduce(entry.state, event, id);
    this.entries.set(id, { state, sequence: event.sequence });
  }

  /** @param sequence where the owner stands: the last event that it gave to `take`. */
  at(id: string, sequence: number): S | undefined {
    const entry = this.entries.get(id) ?? { state: this.build(id, sequence), sequence };
    this.entries.delete(id);
    this.entries.set(id, entry);
    if (this.entries.size > this.options.capacity) {
      const [oldest] = this.entries.keys();
      if (oldest !== undefined) this.entries.delete(oldest);
    }
    return entry.state;
  }

  /** Its events have changed: some have left the log. */
  forget(id: string): void {
    this.entries.delete(id);
  }

  private build(id: string, sequence: number): S | undefined {
    const { read, reduce } = this.options;
    let state: S | undefined;
    for (let after = 0; after < sequence; ) {
      const page = read(id, after, pageSize);
      for (const event of page) if (event.sequence <= sequence) state = reduce(state, event, id);
      after = page.length < pageSize ? sequence : (page.at(-1)?.sequence ?? sequence);
    }
    return state;
  }
}
