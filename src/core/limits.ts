export interface OrchestratorLimits {
  /** Workers at a time, 1 or more; further runs wait in the order of their start. Default 8. */
  readonly maxConcurrentRuns: number;
  /** Sessions that have running runs at a time, 1 or more; runs of further ones wait. Default 100. */
  readonly maxActiveSessions: number;
  /** Whether a run may ask its coding agent to bypass its permissions. Default false: only the owner may say so. */
  readonly allowsAgentBypass: boolean;
  /** Built-in tools that run commands and may be called by runs that do not name them: `terminal`, `container`. Default none. */
  readonly toolsAllowed: readonly string[];
  /** Whether models may run code in a terminal of this machine, where their session has no image. Default false. */
  readonly allowsCodeInTerminal: boolean;
  /** Open sessions. Default 1,000. */
  readonly maxSessions: number;
  /** After so long untouched and with nothing running in it a session is idle, in milliseconds. Default 10 minutes. */
  readonly sessionIdleMs: number;
  /** An agent that gives no sign of life for so long is lost, in milliseconds. Default 90 s. */
  readonly agentSilenceMs: number;
  /** Registered agents, lost ones too. Default 1,000. */
  readonly maxAgents: number;
  /** Tasks that have not ended. Default 10,000. */
  readonly maxLiveTasks: number;
  /** An agent that was given a task has so long to begin it before it is given it again, in milliseconds. Default 60 s. */
  readonly taskStartMs: number;
  /** What is kept of the output of one task, the newest, in bytes. Default 4 MiB. */
  readonly taskOutputBytes: number;
  /** How long an assistant may take to answer a message, in milliseconds. Default 30 s. */
  readonly replyLimitMs: number;
  /** Processes of a container that was made without a limit of its own. Default 512. */
  readonly containerPids: number;
  /** Memory of such a container, in bytes, without swap; 0 sets no limit. Default 2 GiB. */
  readonly containerMemoryBytes: number;
  /** Ended containers are removed with their output after so long, in milliseconds; 0 never. Default 14 days. */
  readonly keepEndedContainersMs: number;
  /** What is kept of the output of all ended containers, the newest first, in bytes; 0 sets no limit. Default 1 GiB. */
  readonly endedContainerRecordBytes: number;
  /** Containers that are kept started and paused for the next use of each kind; 0, the default, none. At most 8 in all. */
  readonly warmContainers: number;
  /** After so long without use a warm container is removed, in milliseconds. Default 10 minutes. */
  readonly warmIdleMs: number;
  /** Container tasks that run or wait for another try, at a time. Default 64. They take no place of a run. */
  readonly maxContainerTasks: number;
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
  maxActiveSessions: 100,
  allowsAgentBypass: false,
  toolsAllowed: [],
  allowsCodeInTerminal: false,
  maxContainerTasks: 64,
  maxSessions: 1_000,
  sessionIdleMs: 10 * 60 * 1_000,
  agentSilenceMs: 90 * 1_000,
  maxAgents: 1_000,
  maxLiveTasks: 10_000,
  taskStartMs: 60 * 1_000,
  taskOutputBytes: 4 * 1024 * 1024,
  replyLimitMs: 30 * 1_000,
  containerPids: 512,
  containerMemoryBytes: 2 * 1024 * 1024 * 1024,
  keepEndedContainersMs: 14 * 24 * 60 * 60 * 1_000,
  endedContainerRecordBytes: 1024 * 1024 * 1024,
  warmContainers: 0,
  warmIdleMs: 10 * 60 * 1_000,
  recordLimitBytes: 32 * 1024 * 1024,
  maxTerminalsPerOwner: 256,
  idleTimeoutMs: 0,
  keepEndedMs: 14 * 24 * 60 * 60 * 1_000,
  endedRecordBytes: 1024 * 1024 * 1024,
  cpuThresholdPercent: 0,
  memoryThresholdBytes: 0,
};
