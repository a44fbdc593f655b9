/** What the services know of the server that they are part of. */
export interface ServerFacts {
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly now: () => number;
  /** 32 hex characters, for what only exists on the wire. */
  readonly newId: () => string;
}
