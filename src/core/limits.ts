export interface OrchestratorLimits {
  /** Workers at a time, 1 or more; further runs wait in the order of their start. Default 8. */
  readonly maxConcurrentRuns: number;
  /** How much output of one terminal is kept, in bytes. Default 32 MiB. */
  readonly recordLimitBytes: number;
}

export const defaultLimits: OrchestratorLimits = {
  maxConcurrentRuns: 8,
  recordLimitBytes: 32 * 1024 * 1024,
};
