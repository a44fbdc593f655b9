/** What a process and all below it use. */
export interface TreeUsage {
  readonly processes: number;
  /** Processor time since they were started, in milliseconds, with that of children that have ended. */
  readonly cpuMs: number;
  /** Resident memory; what processes share counts for each of them. */
  readonly memoryBytes: number;
  /** Everything that was read and written, terminals, files, pipes and sockets alike; null where nobody tells. */
  readonly readBytes: number | null;
  readonly writtenBytes: number | null;
}

export interface ProcessMetrics {
  /** One look at the machine's processes, for any number of trees by the pid of their root. Gone ones are left out. */
  sample(roots: readonly number[]): Promise<ReadonlyMap<number, TreeUsage>>;
}
