/** Limits for what runs in a container or on an agent; 0 sets none. */
export interface ResourceLimits {
  /** Billionths of one processor. */
  readonly nanoCpus: number;
  readonly memoryBytes: number;
  /** Memory and swap together, in bytes; -1 leaves swap unlimited. */
  readonly memorySwap: number;
  readonly pidsLimit?: number | undefined;
}

export const noResourceLimits: ResourceLimits = { nanoCpus: 0, memoryBytes: 0, memorySwap: 0 };

/** What something uses right now, as whoever runs it reports. */
export interface ResourceUsage {
  /** Of one processor. */
  readonly cpuPercent: number;
  readonly memoryUsage: number;
  readonly memoryLimit: number;
  readonly memoryPercent: number;
  readonly networkRx: number;
  readonly networkTx: number;
  readonly blockRead: number;
  readonly blockWrite: number;
  readonly pidsCount: number;
}
