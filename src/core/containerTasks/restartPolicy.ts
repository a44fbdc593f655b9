/** When a task that ended is started again. All times in milliseconds. */
export interface RestartPolicy {
  /** `on-failure`: success ends it. `always`: success starts it again too. */
  readonly mode: 'never' | 'on-failure' | 'always';
  /** Failures in a row before it is given up. */
  readonly maxFailures?: number | undefined;
  /** Before the first retry; it doubles with each failure in a row. */
  readonly initialDelayMs: number;
  readonly maxDelayMs: number;
  /** An execution that lasted so long was stable: the count of failures and the delay begin anew. */
  readonly stableAfterMs: number;
}

/** The numbers of contract 000, section 3: 2, 4, 8 … 300 s, reset after 5 h. */
export const defaultRestartPolicy: RestartPolicy = {
  mode: 'on-failure',
  initialDelayMs: 2_000,
  maxDelayMs: 300_000,
  stableAfterMs: 18_000_000,
};

export interface TaskEnd {
  readonly outcome: 'succeeded' | 'failed' | 'stopped';
  /** Trying again cannot help: what it was told to run is not there. */
  readonly isPermanent: boolean;
  /** Its end was asked for, whether or not it came to hear of it. */
  readonly isStopping: boolean;
  /** How long this execution ran. */
  readonly ranMs: number;
}

export type RestartDecision =
  | { readonly next: 'end'; readonly state: 'stopped' | 'succeeded' | 'failed'; readonly failures: number }
  | { readonly next: 'restart'; readonly delayMs: number; readonly failures: number };

/** @param failures in a row before this end. */
export function decideRestart(policy: RestartPolicy, failures: number, end: TaskEnd): RestartDecision {
  const isStopped = end.outcome === 'stopped' || (end.isStopping && end.outcome === 'failed');
  if (isStopped) return { next: 'end', state: 'stopped', failures: 0 };
  if (end.outcome === 'succeeded') {
    return policy.mode === 'always' && !end.isStopping
      ? { next: 'restart', delayMs: policy.initialDelayMs, failures: 0 }
      : { next: 'end', state: 'succeeded', failures: 0 };
  }
  const inARow = (end.ranMs >= policy.stableAfterMs ? 0 : failures) + 1;
  const isGivenUp = policy.maxFailures !== undefined && inARow > policy.maxFailures;
  if (policy.mode === 'never' || end.isPermanent || isGivenUp) {
    return { next: 'end', state: 'failed', failures: inARow };
  }
  return { next: 'restart', delayMs: delayAfter(policy, inARow), failures: inARow };
}

function delayAfter({ initialDelayMs, maxDelayMs }: RestartPolicy, failures: number): number {
  // The exponent is bounded, or it overflows to Infinity where the first delay is 0: 0 × Infinity is no number.
  return Math.min(maxDelayMs, initialDelayMs * 2 ** Math.min(failures - 1, 30));
}
