export interface FailureLimits {
  /** Failures that are answered at once. */
  readonly atOnce: number;
  /** Then one in so many milliseconds. */
  readonly refillMs: number;
}

export const defaultFailureLimits: FailureLimits = { atOnce: 10, refillMs: 6_000 };

/** How many addresses are remembered; beyond them the one that failed longest ago is forgotten. */
const addressLimit = 4_096;

interface Bucket {
  left: number;
  /** Milliseconds since the epoch. */
  filledAt: number;
}

/** How many failures each address has left. Only failures count: whoever has the right token is never kept out. */
export class FailureLimit {
  private readonly limits: FailureLimits;
  /** Those that failed last are last. */
  private readonly buckets = new Map<string, Bucket>();

  constructor(limits: FailureLimits = defaultFailureLimits) {
    this.limits = limits;
  }

  /** @returns milliseconds to wait; 0 where it was within the limit. */
  take(address: string, now: number): number {
    const { atOnce, refillMs } = this.limits;
    const bucket = this.buckets.get(address) ?? { left: atOnce, filledAt: now };
    this.buckets.delete(address);
    this.buckets.set(address, bucket);
    if (this.buckets.size > addressLimit) this.forgetOldest();
    const refilled = Math.floor(Math.max(0, now - bucket.filledAt) / refillMs);
    bucket.left = Math.min(atOnce, bucket.left + refilled);
    bucket.filledAt = bucket.left === atOnce ? now : bucket.filledAt + refilled * refillMs;
    if (bucket.left === 0) return bucket.filledAt + refillMs - now;
    bucket.left -= 1;
    return 0;
  }

  private forgetOldest(): void {
    const [oldest] = this.buckets.keys();
    if (oldest !== undefined) this.buckets.delete(oldest);
  }
}
