import { setTimeout as delay } from 'node:timers/promises';
import type { OrchestratorEvent } from '../../core/events/event.ts';
import type { EventQuery } from '../../core/orchestratorAccess.ts';
import type { Store } from '../../core/ports/store.ts';

const pageSize = 500;
/** Where no core serves, or one that answers nobody, nothing tells when the store has changed. */
const pollMs = 150;

/** The events of a log that another process writes: what is there and, if asked, what comes. Holds one page. */
export async function* storedEvents(
  store: Store,
  options: EventQuery,
): AsyncGenerator<OrchestratorEvent, void, undefined> {
  const { follows, signal, ...filter } = options;
  let cursor = filter.after;
  for (;;) {
    // Read before the page: what is appended in between comes with the next one.
    const last = store.lastSequence();
    const page = store.readEvents({ ...filter, after: cursor, limit: pageSize });
    for (const event of page) {
      if (signal.aborted) return;
      yield event;
    }
    const lastRead = page.at(-1);
    cursor =
      lastRead !== undefined && page.length === pageSize
        ? lastRead.sequence
        : Math.max(cursor, last, lastRead?.sequence ?? 0);
    if (page.length === pageSize) continue;
    if (!follows || signal.aborted) return;
    await delay(pollMs, undefined, { signal }).catch(() => undefined);
  }
}
