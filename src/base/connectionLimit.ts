/** What is needed of a connection, such as a socket. */
export interface LimitedConnection {
  readonly remoteAddress?: string | undefined;
  destroy(): unknown;
  once(event: 'close', listener: () => void): unknown;
}

/**
 * So many connections at a time. Where one more comes, a stranger goes: the oldest of the address that has most of
 * them. So whoever opens connections and says nothing pushes out their own, and keeps out nobody who shows a token.
 */
export class ConnectionLimit<C extends LimitedConnection> {
  private readonly limit: number;
  /** In the order in which they came. */
  private readonly strangers = new Set<C>();
  private readonly trusted = new Set<C>();

  /** @param limit 1 or more. */
  constructor(limit: number) {
    this.limit = limit;
  }

  /** Counts a new connection until it closes; may end it or another one at once. */
  admit(connection: C): void {
    this.strangers.add(connection);
    connection.once('close', () => this.forget(connection));
    if (this.strangers.size + this.trusted.size <= this.limit) return;
    const victim = this.mostCrowdedOut();
    if (victim === undefined) return;
    this.forget(victim);
    victim.destroy();
  }

  /** It has shown that it may be here. */
  trust(connection: C): void {
    if (this.strangers.delete(connection)) this.trusted.add(connection);
  }

  private forget(connection: C): void {
    this.strangers.delete(connection);
    this.trusted.delete(connection);
  }

  private mostCrowdedOut(): C | undefined {
    const oldestOf = new Map<string, { readonly oldest: C; count: number }>();
    for (const stranger of this.strangers) {
      const address = stranger.remoteAddress ?? '';
      const known = oldestOf.get(address);
      if (known === undefined) oldestOf.set(address, { oldest: stranger, count: 1 });
      else known.count += 1;
    }
    let most: { readonly oldest: C; readonly count: number } | undefined;
    for (const entry of oldestOf.values()) {
      if (most === undefined || entry.count > most.count) most = entry;
    }
    return most?.oldest;
  }
}
