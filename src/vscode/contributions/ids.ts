/** Every id that the manifest and the code share, typed once. Loaded at activation, so it holds nothing else. */

export const commandIds = {
  newSession: 'orchestrator.newSession',
  renameSession: 'orchestrator.renameSession',
  closeSession: 'orchestrator.closeSession',
  runTask: 'orchestrator.runTask',
  openRunPanel: 'orchestrator.openRunPanel',
  showRun: 'orchestrator.showRun',
  abortRun: 'orchestrator.abortRun',
  retryRun: 'orchestrator.retryRun',
  removeRun: 'orchestrator.removeRun',
  clearHistory: 'orchestrator.clearHistory',
  searchHistory: 'orchestrator.searchHistory',
  clearHistorySearch: 'orchestrator.clearHistorySearch',
  showMoreHistory: 'orchestrator.showMoreHistory',
  newTerminal: 'orchestrator.newTerminal',
  attachTerminal: 'orchestrator.attachTerminal',
  renameTerminal: 'orchestrator.renameTerminal',
  killTerminal: 'orchestrator.killTerminal',
  killOwner: 'orchestrator.killOwner',
  splitTerminal: 'orchestrator.splitTerminal',
  openTerminalInEditor: 'orchestrator.openTerminalInEditor',
  removeTerminal: 'orchestrator.removeTerminal',
  openOutput: 'orchestrator.openOutput',
  runTaskOnAgent: 'orchestrator.runTaskOnAgent',
  cancelTask: 'orchestrator.cancelTask',
  forgetAgent: 'orchestrator.forgetAgent',
  showTask: 'orchestrator.showTask',
  createContainer: 'orchestrator.createContainer',
  showContainerLogs: 'orchestrator.showContainerLogs',
  openContainerShell: 'orchestrator.openContainerShell',
  attachContainer: 'orchestrator.attachContainer',
  inspectContainer: 'orchestrator.inspectContainer',
  openContainerPort: 'orchestrator.openContainerPort',
  startContainer: 'orchestrator.startContainer',
  stopContainer: 'orchestrator.stopContainer',
  restartContainer: 'orchestrator.restartContainer',
  pauseContainer: 'orchestrator.pauseContainer',
  resumeContainer: 'orchestrator.resumeContainer',
  killContainer: 'orchestrator.killContainer',
  removeContainer: 'orchestrator.removeContainer',
  startContainerTask: 'orchestrator.startContainerTask',
  stopContainerTask: 'orchestrator.stopContainerTask',
  stopAllContainerTasks: 'orchestrator.stopAllContainerTasks',
  retryContainerTask: 'orchestrator.retryContainerTask',
  showContainerTask: 'orchestrator.showContainerTask',
  removeContainerTask: 'orchestrator.removeContainerTask',
  copyId: 'orchestrator.copyId',
  renameSelected: 'orchestrator.renameSelected',
  removeSelected: 'orchestrator.removeSelected',
  showLog: 'orchestrator.showLog',
  copyDiagnostics: 'orchestrator.copyDiagnostics',
  restartProcessHost: 'orchestrator.restartProcessHost',
  takeOverState: 'orchestrator.takeOverState',
  retryStart: 'orchestrator.retryStart',
  openWalkthrough: 'orchestrator.openWalkthrough',
  openSettings: 'orchestrator.openSettings',
  manageTrust: 'orchestrator.manageTrust',
  connectOrchestrator: 'orchestrator.connectOrchestrator',
  disconnectOrchestrator: 'orchestrator.disconnectOrchestrator',
  startDaemon: 'orchestrator.startDaemon',
  stopDaemon: 'orchestrator.stopDaemon',
  copyDaemonAddress: 'orchestrator.copyDaemonAddress',
  copyDaemonToken: 'orchestrator.copyDaemonToken',
  connectDaemon: 'orchestrator.connectDaemon',
  showDaemon: 'orchestrator.showDaemon',
  addRunBackend: 'orchestrator.addRunBackend',
  removeRunBackend: 'orchestrator.removeRunBackend',
  copyMcpConfiguration: 'orchestrator.copyMcpConfiguration',
  setModelKey: 'orchestrator.setModelKey',
  removeModelKey: 'orchestrator.removeModelKey',
} as const;
export type CommandId = (typeof commandIds)[keyof typeof commandIds];

export const settingIds = {
  stateDirectory: 'orchestrator.stateDirectory',
  terminalShell: 'orchestrator.terminal.shell',
  terminalScrollback: 'orchestrator.terminal.scrollback',
  terminalRecordLimit: 'orchestrator.terminal.recordLimitMiB',
  terminalOnClose: 'orchestrator.terminal.onClose',
  terminalReopen: 'orchestrator.terminal.reopenAfterReload',
  terminalIntegration: 'orchestrator.terminal.shellIntegration',
  terminalMaxPerOwner: 'orchestrator.terminal.maxPerOwner',
  terminalIdleTimeout: 'orchestrator.terminal.idleTimeoutMinutes',
  terminalKeepEnded: 'orchestrator.terminal.keepEndedDays',
  terminalEndedQuota: 'orchestrator.terminal.endedRecordsMiB',
  terminalCpuThreshold: 'orchestrator.terminal.cpuThresholdPercent',
  terminalMemoryThreshold: 'orchestrator.terminal.memoryThresholdMiB',
  containersKeepEnded: 'orchestrator.containers.keepEndedDays',
  containersEndedQuota: 'orchestrator.containers.endedRecordsMiB',
  containersWarm: 'orchestrator.containers.warm',
  runShell: 'orchestrator.run.shell',
  runOpenIn: 'orchestrator.run.openIn',
  runMaxConcurrent: 'orchestrator.run.maxConcurrent',
  runTimeout: 'orchestrator.run.timeoutMinutes',
  runBackends: 'orchestrator.backends',
  containersEngine: 'orchestrator.containers.engine',
  notifyFailed: 'orchestrator.notifications.runFailed',
  notifyFinished: 'orchestrator.notifications.runFinished',
  notifyFinishedAfter: 'orchestrator.notifications.runFinishedAfterSeconds',
  containerTasksAtQuit: 'orchestrator.containerTasks.atQuit',
  notifyContainerTasks: 'orchestrator.notifications.containerTasks',
  toolsServers: 'orchestrator.tools.servers',
  toolsUseVsCodeServers: 'orchestrator.tools.useVsCodeServers',
  toolsAllowed: 'orchestrator.tools.allowed',
  grpcEnabled: 'orchestrator.grpc.enabled',
  mcpEnabled: 'orchestrator.mcp.enabled',
  daemonEnabled: 'orchestrator.daemon.enabled',
  daemonPort: 'orchestrator.daemon.port',
  daemonAllowedOrigins: 'orchestrator.daemon.allowedOrigins',
  daemonAllowedHosts: 'orchestrator.daemon.allowedHosts',
  daemonMaxSessions: 'orchestrator.daemon.maxSessions',
  modelsProviders: 'orchestrator.models.providers',
  modelsDefault: 'orchestrator.models.default',
  modelsAllowCodeInTerminal: 'orchestrator.models.allowCodeInTerminal',
  processHostLost: 'orchestrator.notifications.processHostLost',
} as const;
export type SettingId = (typeof settingIds)[keyof typeof settingIds];

/** The type of each setting's value, as its schema in settings.ts has it. */
export interface SettingTypes {
  [settingIds.stateDirectory]: string;
  [settingIds.terminalShell]: string;
  [settingIds.terminalScrollback]: number;
  [settingIds.terminalRecordLimit]: number;
  [settingIds.terminalOnClose]: 'ask' | 'kill' | 'keep';
  [settingIds.terminalReopen]: boolean;
  [settingIds.terminalIntegration]: boolean;
  [settingIds.terminalMaxPerOwner]: number;
  [settingIds.terminalIdleTimeout]: number;
  [settingIds.terminalKeepEnded]: number;
  [settingIds.terminalEndedQuota]: number;
  [settingIds.terminalCpuThreshold]: number;
  [settingIds.terminalMemoryThreshold]: number;
  [settingIds.containersKeepEnded]: number;
  [settingIds.containersEndedQuota]: number;
  [settingIds.containersWarm]: number;
  [settingIds.runShell]: string;
  [settingIds.runOpenIn]: 'editor' | 'panel' | 'none';
  [settingIds.runMaxConcurrent]: number;
  [settingIds.runTimeout]: number;
  [settingIds.runBackends]: readonly object[];
  [settingIds.containersEngine]: string;
  [settingIds.notifyFailed]: boolean;
  [settingIds.notifyFinished]: boolean;
  [settingIds.notifyFinishedAfter]: number;
  [settingIds.containerTasksAtQuit]: 'keep' | 'stop';
  [settingIds.notifyContainerTasks]: 'errorsAndResults' | 'errors' | 'none';
  [settingIds.toolsServers]: Readonly<Record<string, unknown>>;
  [settingIds.toolsUseVsCodeServers]: boolean;
  [settingIds.toolsAllowed]: readonly string[];
  [settingIds.grpcEnabled]: boolean;
  [settingIds.mcpEnabled]: boolean;
  [settingIds.daemonEnabled]: boolean;
  [settingIds.daemonPort]: number;
  [settingIds.daemonAllowedOrigins]: readonly string[];
  [settingIds.daemonAllowedHosts]: readonly string[];
  [settingIds.daemonMaxSessions]: number;
  /** As they stand there: whoever uses them checks them (`modelProviders`). */
  [settingIds.modelsProviders]: readonly unknown[];
  [settingIds.modelsDefault]: string;
  [settingIds.modelsAllowCodeInTerminal]: boolean;
  [settingIds.processHostLost]: boolean;
}

export const viewIds = {
  container: 'orchestrator',
  sessions: 'orchestrator.sessions',
  agents: 'orchestrator.agents',
  history: 'orchestrator.history',
  daemon: 'orchestrator.daemon',
  panelContainer: 'orchestratorPanel',
  runView: 'orchestrator.runView',
} as const;

/** Context keys for `when` clauses. */
export const contextKeys = {
  /** One of the words of CoreState in core/coreService.ts. */
  state: 'orchestrator.state',
  hasHistorySearch: 'orchestrator.hasHistorySearch',
  hasAgents: 'orchestrator.hasAgents',
  /** Some container task runs, or waits for its next try. */
  hasContainerTasks: 'orchestrator.hasContainerTasks',
  isDaemonRunning: 'orchestrator.isDaemonRunning',
  hasRun: 'orchestrator.hasRun',
  hasTerminal: 'orchestrator.hasTerminal',
  /** The active terminal of the window is one of ours. */
  isOwnTerminalActive: 'orchestrator.isOwnTerminalActive',
  /** Never read by a `when` clause: setting it is the cheapest round trip to the window. */
  heartbeat: 'orchestrator.private.heartbeat',
} as const;

export const mcpProviderId = 'orchestrator.mcp';
/** Tools that a language model of the editor may call. */
export const languageModelToolNames = {
  runTask: 'orchestrator_run_task',
  readOutput: 'orchestrator_read_output',
  listSessions: 'orchestrator_list_sessions',
  stop: 'orchestrator_stop',
} as const;
export type LanguageModelToolName = (typeof languageModelToolNames)[keyof typeof languageModelToolNames];

export const panelViewType = 'orchestrator.runPanel';
/** Files that declare a container task. */
export const taskManifest = { suffix: '.task.json', schema: './media/containerTask.schema.json' } as const;
/** The "editor" that a terminal's row opens when it is dropped into the editor area. */
export const terminalDrop = {
  viewType: 'orchestrator.terminalDrop',
  filenamePattern: '*.orchestrator-terminal',
} as const;
export const terminalProfileId = 'orchestrator.terminal';
export const outputScheme = 'orchestrator-output';
export const walkthroughId = 'gettingStarted';
