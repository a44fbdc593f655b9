export interface OrchestratorLimits {
  /** Workers at a time, 1 or more; further runs wait in the order of their start. Default 8. */
  readonly maxConcurrentRuns: number;
  /** How much output of one terminal is kept, in bytes. Default 32 MiB. */
  readonly recordLimitBytes: number;
  /** Live terminals of one agent with all agents below it; 0 sets no limit. Default 256. A person has none. */
  readonly maxTerminalsPerOwner: number;
  /** After so long without output a terminal of an agent is ended, in milliseconds; 0, the default, never. */
  readonly idleTimeoutMs: number;
  /** Ended terminals are forgotten after so long, in milliseconds; 0 never. Default 14 days. */
  readonly keepEndedMs: number;
  /** What is kept of the output of all ended terminals, the newest first, in bytes; 0 sets no limit. Default 1 GiB. */
  readonly endedRecordBytes: number;
  /** Share of one processor at which a terminal's use is told, in percent; 0, the default, never. */
  readonly cpuThresholdPercent: number;
  /** Memory of a terminal's processes at which it is told, in bytes; 0, the default, never. */
  readonly memoryThresholdBytes: number;
}

export const defaultLimits: OrchestratorLimits = {
  maxConcurrentRuns: 8,
  recordLimitBytes: 32 * 1024 * 1024,
  maxTerminalsPerOwner: 256,
  idleTimeoutMs: 0,
  keepEndedMs: 14 * 24 * 60 * 60 * 1_000,
  endedRecordBytes: 1024 * 1024 * 1024,
  cpuThresholdPercent: 0,
  memoryThresholdBytes: 0,
};
