import { OrchestratorError } from '../../base/errors.ts';

export interface CallerLimits {
  /** Requests of one caller that are answered at once … */
  readonly requestsAtOnce: number;
  /** … and so many more each second. */
  readonly requestsPerSecond: number;
  /** Of one caller, under way at a time; event streams are not among them. */
  readonly maxConcurrentRequests: number;
  /** Event streams of one caller, at a time. */
  readonly maxEventStreams: number;
}

export const defaultCallerLimits: CallerLimits = {
  requestsAtOnce: 1_000,
  requestsPerSecond: 200,
  maxConcurrentRequests: 64,
  maxEventStreams: 64,
};

interface Use {
  tokens: number;
  /** Milliseconds since the epoch. */
  at: number;
  concurrent: number;
  streams: number;
}

/** How much of the server each caller uses. Callers are those who have shown a token, so that they are few. */
export class CallerUse {
  private readonly limits: CallerLimits;
  private readonly uses = new Map<string, Use>();

  constructor(limits: CallerLimits) {
    this.limits = limits;
  }

  /**
   * Counts a request. @returns to be called at its end.
   * Error: `invalid_request` (429), with when to try again.
   */
  begin(name: string, now: number): () => void {
    const { requestsAtOnce, requestsPerSecond, maxConcurrentRequests } = this.limits;
    const use = this.useOf(name, now);
    use.tokens = Math.min(requestsAtOnce, use.tokens + ((now - use.at) / 1_000) * requestsPerSecond);
    use.at = now;
    if (use.tokens < 1) throw tooMuch('requests', Math.ceil(1_000 / requestsPerSecond));
    if (use.concurrent >= maxConcurrentRequests) throw tooMuch('requests at a time', 1_000);
    use.tokens -= 1;
    use.concurrent += 1;
    return () => {
      use.concurrent -= 1;
    };
  }

  /** Counts an event stream. @returns to be called at its end. Error: `invalid_request` (429). */
  beginStream(name: string, now: number): () => void {
    const use = this.useOf(name, now);
    if (use.streams >= this.limits.maxEventStreams) throw tooMuch('event streams at a time', 1_000);
    use.streams += 1;
    return () => {
      use.streams -= 1;
    };
  }

  private useOf(name: string, now: number): Use {
    let use = this.uses.get(name);
    if (use === undefined) {
      this.forgetIdle(now);
      use = { tokens: this.limits.requestsAtOnce, at: now, concurrent: 0, streams: 0 };
      this.uses.set(name, use);
    }
    return use;
  }

  /** Those whose allowance is full again are as those who never came. */
  private forgetIdle(now: number): void {
    const fullAfterMs = (this.limits.requestsAtOnce / this.limits.requestsPerSecond) * 1_000;
    for (const [name, { at, concurrent, streams }] of this.uses) {
      if (concurrent + streams === 0 && now - at > fullAfterMs) this.uses.delete(name);
    }
  }
}

function tooMuch(what: string, retryAfterMs: number): OrchestratorError {
  return new OrchestratorError(
    'RESOURCE_EXHAUSTED',
    'invalid_request',
    `These are too many ${what} of one token. Wait a moment.`,
    { details: { retryAfterMs } },
  );
}
