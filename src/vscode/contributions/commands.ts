import { type CommandId, commandIds as c, contextKeys, taskManifest, viewIds } from './ids.ts';

interface CommandSpec {
  readonly command: CommandId;
  readonly title: string;
  /** Codicon, without `$()`. */
  readonly icon?: string;
  readonly enablement?: string;
  /** `when` of the palette; false hides the command there, because it makes no sense without its row. */
  readonly palette?: string | false;
}

const trusted = 'isWorkspaceTrusted';

const specs: readonly CommandSpec[] = [
  { command: c.newSession, title: 'New Session', icon: 'add', enablement: trusted },
  { command: c.renameSession, title: 'Rename Session', icon: 'edit', enablement: trusted },
  { command: c.closeSession, title: 'Close Session', icon: 'close', enablement: trusted },
  { command: c.runTask, title: 'Run Task', icon: 'play', enablement: trusted },
  { command: c.openRunPanel, title: 'Open Run Panel', icon: 'rocket', enablement: trusted },
  { command: c.showRun, title: 'Show Run', icon: 'go-to-file', enablement: trusted },
  { command: c.abortRun, title: 'Abort Run', icon: 'debug-stop', enablement: trusted },
  { command: c.retryRun, title: 'Retry Run', icon: 'debug-restart', enablement: trusted },
  { command: c.removeRun, title: 'Remove Run', icon: 'trash', enablement: trusted },
  { command: c.clearHistory, title: 'Clear History', icon: 'clear-all', enablement: trusted },
  { command: c.searchHistory, title: 'Search History', icon: 'search', enablement: trusted },
  {
    command: c.clearHistorySearch,
    title: 'Clear History Search',
    icon: 'search-stop',
    palette: contextKeys.hasHistorySearch,
  },
  { command: c.showMoreHistory, title: 'Show More History', palette: false },
  { command: c.newTerminal, title: 'New Terminal', icon: 'terminal', enablement: trusted },
  { command: c.attachTerminal, title: 'Attach to Terminal', icon: 'link-external', enablement: trusted },
  { command: c.renameTerminal, title: 'Rename Terminal', icon: 'edit', enablement: trusted },
  { command: c.killTerminal, title: 'Kill Terminal', icon: 'trash', enablement: trusted },
  { command: c.killOwner, title: 'Kill All of This Owner', icon: 'trash', enablement: trusted },
  { command: c.splitTerminal, title: 'Split Terminal', icon: 'split-horizontal', enablement: trusted },
  {
    command: c.openTerminalInEditor,
    title: 'Open Terminal in Editor Area',
    icon: 'go-to-file',
    enablement: trusted,
  },
  { command: c.removeTerminal, title: 'Remove Terminal', icon: 'close', enablement: trusted },
  { command: c.openOutput, title: 'Open Output', icon: 'output', enablement: trusted },
  { command: c.runTaskOnAgent, title: 'Run Task on Agent…', icon: 'play', enablement: trusted },
  { command: c.cancelTask, title: 'Cancel Task', icon: 'debug-stop', enablement: trusted },
  { command: c.forgetAgent, title: 'Forget Agent', icon: 'trash', enablement: trusted },
  { command: c.showTask, title: 'Show Task', palette: false },
  { command: c.createContainer, title: 'Create Container…', icon: 'vm', enablement: trusted },
  { command: c.showContainerLogs, title: 'Show Container Logs', icon: 'output', enablement: trusted },
  { command: c.openContainerShell, title: 'Open Shell in Container', icon: 'terminal', enablement: trusted },
  { command: c.attachContainer, title: 'Attach to Container', icon: 'vm-connect', enablement: trusted },
  { command: c.inspectContainer, title: 'Inspect Container', icon: 'json', enablement: trusted },
  { command: c.openContainerPort, title: 'Open Port in Browser', icon: 'globe', enablement: trusted },
  { command: c.startContainer, title: 'Start Container', icon: 'play', enablement: trusted },
  { command: c.stopContainer, title: 'Stop Container', icon: 'debug-stop', enablement: trusted },
  { command: c.restartContainer, title: 'Restart Container', icon: 'debug-restart', enablement: trusted },
  { command: c.pauseContainer, title: 'Pause Container', icon: 'debug-pause', enablement: trusted },
  { command: c.resumeContainer, title: 'Resume Container', icon: 'debug-continue', enablement: trusted },
  { command: c.killContainer, title: 'Kill Container', icon: 'error', enablement: trusted },
  { command: c.removeContainer, title: 'Remove Container', icon: 'trash', enablement: trusted },
  { command: c.startContainerTask, title: 'Start Container Task…', icon: 'run-all', enablement: trusted },
  { command: c.stopContainerTask, title: 'Stop Container Task', icon: 'debug-stop', enablement: trusted },
  {
    command: c.stopAllContainerTasks,
    title: 'Stop All Container Tasks',
    icon: 'stop-circle',
    enablement: trusted,
  },
  {
    command: c.retryContainerTask,
    title: 'Retry Container Task',
    icon: 'debug-restart',
    enablement: trusted,
  },
  { command: c.showContainerTask, title: 'Show Container Task', icon: 'go-to-file', enablement: trusted },
  { command: c.removeContainerTask, title: 'Remove Container Task', icon: 'trash', enablement: trusted },
  { command: c.copyId, title: 'Copy ID', icon: 'copy', enablement: trusted },
  { command: c.renameSelected, title: 'Rename Selected Row', palette: false },
  { command: c.removeSelected, title: 'End or Remove Selected Rows', palette: false },
  { command: c.showLog, title: 'Show Log', icon: 'output' },
  { command: c.copyDiagnostics, title: 'Copy Diagnostics', icon: 'clippy' },
  {
    command: c.restartProcessHost,
    title: 'Restart Process Host',
    icon: 'debug-restart',
    enablement: trusted,
  },
  {
    command: c.takeOverState,
    title: 'Take Over State From Other Window',
    icon: 'arrow-swap',
    palette: `${contextKeys.state} == inUse`,
  },
  { command: c.retryStart, title: 'Retry Start', icon: 'refresh', palette: `${contextKeys.state} == broken` },
  {
    command: c.connectOrchestrator,
    title: 'Connect to Orchestrator…',
    icon: 'remote',
    enablement: trusted,
  },
  {
    command: c.disconnectOrchestrator,
    title: 'Disconnect From Orchestrator',
    icon: 'debug-disconnect',
    enablement: trusted,
  },
  { command: c.addRunBackend, title: 'Add Run Backend…', icon: 'cloud', enablement: trusted },
  { command: c.removeRunBackend, title: 'Remove Run Backend…', icon: 'trash', enablement: trusted },
  {
    command: c.startDaemon,
    title: 'Start Daemon',
    icon: 'play',
    enablement: trusted,
    palette: `!${contextKeys.isDaemonRunning}`,
  },
  { command: c.stopDaemon, title: 'Stop Daemon', icon: 'debug-stop', palette: contextKeys.isDaemonRunning },
  { command: c.showDaemon, title: 'Show Daemon', icon: 'radio-tower' },
  { command: c.copyMcpConfiguration, title: 'Copy MCP Configuration…', icon: 'copy', enablement: trusted },
  { command: c.copyDaemonAddress, title: 'Copy Address of Daemon', icon: 'copy' },
  {
    command: c.copyDaemonToken,
    title: 'Copy Token of Daemon',
    icon: 'key',
    palette: contextKeys.isDaemonRunning,
  },
  { command: c.connectDaemon, title: 'Connect to Daemon…', icon: 'plug', enablement: trusted },
  { command: c.setModelKey, title: 'Set Model Key…', icon: 'key' },
  { command: c.removeModelKey, title: 'Remove Model Key…' },
  { command: c.openWalkthrough, title: 'Open Walkthrough', icon: 'mortar-board' },
  { command: c.openSettings, title: 'Open Settings', icon: 'settings-gear' },
  { command: c.manageTrust, title: 'Manage Trust', icon: 'shield' },
];

export const commands = specs.map(({ command, title, icon, enablement }) => ({
  command,
  title,
  category: 'Orchestrator',
  ...(icon === undefined ? {} : { icon: `$(${icon})` }),
  ...(enablement === undefined ? {} : { enablement }),
}));

const inSessions = `view == ${viewIds.sessions}`;
const inHistory = `view == ${viewIds.history}`;
const inDaemon = `view == ${viewIds.daemon}`;
const inTree = `view =~ /^orchestrator\\.(sessions|agents|history)$/`;
const has = (token: string): string => `${inTree} && viewItem =~ /\\b${token}\\b/`;

const isManifest = `isWorkspaceTrusted && resourceFilename =~ /${taskManifest.suffix.replaceAll('.', '\\.')}$/`;

const ownTerminal = [c.splitTerminal, c.openTerminalInEditor, c.openOutput, c.copyId].map(
  (command, index) => ({
    command,
    when: contextKeys.isOwnTerminalActive,
    group: `8_orchestrator@${index + 1}`,
  }),
);

/**
 * Rows carry tokens in their context value (rows.ts): what the row is (`session`, `run`, `terminal`) and what can be
 * done with it (`canAbort`, `canKill` …). At most three of a row's actions are inline.
 */
export const menus = {
  commandPalette: specs.flatMap(({ command, palette }) =>
    palette === undefined ? [] : [{ command, when: palette === false ? 'false' : palette }],
  ),
  'view/title': [
    { command: c.newSession, when: inSessions, group: 'navigation@1' },
    { command: c.runTask, when: inSessions, group: 'navigation@2' },
    { command: c.newTerminal, when: inSessions, group: 'navigation@3' },
    { command: c.createContainer, when: inSessions, group: '0_new@1' },
    { command: c.startContainerTask, when: inSessions, group: '1_start@1' },
    {
      command: c.stopAllContainerTasks,
      when: `${inSessions} && ${contextKeys.hasContainerTasks}`,
      group: '1_start@2',
    },
    { command: c.connectOrchestrator, when: inSessions, group: '2_connect@1' },
    { command: c.connectDaemon, when: inSessions, group: '2_connect@2' },
    {
      command: c.startDaemon,
      when: `${inDaemon} && !${contextKeys.isDaemonRunning}`,
      group: 'navigation@1',
    },
    { command: c.stopDaemon, when: `${inDaemon} && ${contextKeys.isDaemonRunning}`, group: 'navigation@1' },
    { command: c.connectDaemon, when: inDaemon, group: 'navigation@2' },
    { command: c.openSettings, when: inSessions, group: '3_help@1' },
    { command: c.openWalkthrough, when: inSessions, group: '3_help@2' },
    { command: c.showLog, when: inSessions, group: '4_diagnose@1' },
    { command: c.copyDiagnostics, when: inSessions, group: '4_diagnose@2' },
    { command: c.restartProcessHost, when: inSessions, group: '4_diagnose@3' },
    { command: c.searchHistory, when: inHistory, group: 'navigation@1' },
    {
      command: c.clearHistorySearch,
      when: `${inHistory} && ${contextKeys.hasHistorySearch}`,
      group: 'navigation@2',
    },
    { command: c.clearHistory, when: inHistory, group: '1_clear@1' },
  ],
  'view/item/context': [
    { command: c.runTask, when: has('session'), group: 'inline@1' },
    { command: c.newTerminal, when: has('session'), group: 'inline@2' },
    { command: c.closeSession, when: has('session'), group: 'inline@3' },
    { command: c.runTask, when: has('session'), group: '1_start@1' },
    { command: c.newTerminal, when: has('session'), group: '1_start@2' },
    { command: c.createContainer, when: has('containerHolder'), group: '1_start@3' },
    { command: c.startContainerTask, when: has('session'), group: '1_start@3' },
    { command: c.renameSession, when: has('session'), group: '2_change@1' },
    { command: c.closeSession, when: has('session'), group: '3_end@1' },

    { command: c.abortRun, when: has('canAbort'), group: 'inline@1' },
    { command: c.retryRun, when: has('canRetry'), group: 'inline@2' },
    { command: c.showRun, when: has('run'), group: '1_open@1' },
    { command: c.openOutput, when: has('hasOutput'), group: '1_open@2' },
    { command: c.attachTerminal, when: has('runTerminal'), group: '1_open@3' },
    { command: c.retryRun, when: has('canRetry'), group: '2_change@1' },
    { command: c.abortRun, when: has('canAbort'), group: '3_end@1' },
    { command: c.removeRun, when: has('endedRun'), group: '3_end@2' },

    { command: c.attachTerminal, when: has('terminal'), group: 'inline@1' },
    { command: c.killTerminal, when: has('canKill'), group: 'inline@2' },
    { command: c.removeTerminal, when: has('endedTerminal'), group: 'inline@2' },
    { command: c.attachTerminal, when: has('terminal'), group: '1_open@1' },
    { command: c.openTerminalInEditor, when: has('canOpenInEditor'), group: '1_open@2' },
    { command: c.splitTerminal, when: has('canOpenInEditor'), group: '1_open@3' },
    { command: c.openOutput, when: has('terminal'), group: '1_open@4' },
    { command: c.renameTerminal, when: has('terminal'), group: '2_change@1' },
    { command: c.killTerminal, when: has('canKill'), group: '3_end@1' },
    { command: c.killOwner, when: has('owned'), group: '3_end@3' },
    { command: c.removeTerminal, when: has('endedTerminal'), group: '3_end@2' },

    { command: c.showContainerLogs, when: has('container'), group: 'inline@1' },
    { command: c.openContainerShell, when: has('containerRunning'), group: 'inline@2' },
    { command: c.resumeContainer, when: has('containerPaused'), group: 'inline@2' },
    { command: c.startContainer, when: has('containerEnded'), group: 'inline@2' },
    { command: c.stopContainer, when: has('containerLive'), group: 'inline@3' },
    { command: c.removeContainer, when: has('containerEnded'), group: 'inline@3' },
    { command: c.showContainerLogs, when: has('container'), group: '1_open@1' },
    { command: c.openContainerShell, when: has('containerRunning'), group: '1_open@2' },
    { command: c.attachContainer, when: has('containerInput'), group: '1_open@3' },
    { command: c.openContainerPort, when: has('containerPort'), group: '1_open@4' },
    { command: c.inspectContainer, when: has('container'), group: '1_open@5' },
    { command: c.startContainer, when: has('containerEnded'), group: '2_change@1' },
    { command: c.restartContainer, when: has('containerLive'), group: '2_change@2' },
    { command: c.pauseContainer, when: has('containerRunning'), group: '2_change@3' },
    { command: c.resumeContainer, when: has('containerPaused'), group: '2_change@3' },
    { command: c.stopContainer, when: has('containerLive'), group: '3_end@1' },
    { command: c.killContainer, when: has('containerLive'), group: '3_end@2' },
    { command: c.removeContainer, when: has('container'), group: '3_end@3' },

    { command: c.runTaskOnAgent, when: has('online'), group: 'inline@1' },
    { command: c.forgetAgent, when: has('agent'), group: 'inline@2' },
    { command: c.runTaskOnAgent, when: has('online'), group: '1_start@1' },
    { command: c.forgetAgent, when: has('agent'), group: '3_end@1' },
    { command: c.cancelTask, when: has('canCancel'), group: 'inline@1' },
    { command: c.showRun, when: has('taskRun'), group: '1_open@1' },
    { command: c.cancelTask, when: has('canCancel'), group: '3_end@1' },
    { command: c.stopContainerTask, when: has('canStopTask'), group: 'inline@1' },
    { command: c.retryContainerTask, when: has('canRetryTask'), group: 'inline@2' },
    { command: c.removeContainerTask, when: has('endedTask'), group: 'inline@3' },
    { command: c.showContainerTask, when: has('containerTask'), group: '1_open@1' },
    { command: c.retryContainerTask, when: has('canRetryTask'), group: '2_change@1' },
    { command: c.stopContainerTask, when: has('canStopTask'), group: '3_end@1' },
    { command: c.removeContainerTask, when: has('endedTask'), group: '3_end@2' },
    { command: c.newTerminal, when: has('remoteConnected'), group: 'inline@1' },
    { command: c.disconnectOrchestrator, when: has('remote'), group: 'inline@2' },
    { command: c.newSession, when: has('remoteConnected'), group: '1_start@1' },
    { command: c.newTerminal, when: has('remoteConnected'), group: '1_start@2' },
    { command: c.disconnectOrchestrator, when: has('remote'), group: '3_end@1' },
    { command: c.copyDaemonAddress, when: has('remote'), group: '9_copy@1' },

    { command: c.copyId, when: has('copyable'), group: '9_copy@1' },
  ],
  'editor/title': [{ command: c.startContainerTask, when: isManifest, group: 'navigation@1' }],
  'editor/title/context': [{ command: c.startContainerTask, when: isManifest, group: '8_orchestrator@1' }],
  'explorer/context': [{ command: c.startContainerTask, when: isManifest, group: '8_orchestrator@1' }],
  // VS Code's own Split starts what its default profile says; this one starts a terminal of the same session.
  'terminal/title/context': ownTerminal,
  'terminal/context': ownTerminal,
};

/** Keys only where a row of ours has the focus: they never shadow anyone else's. */
const onRow = `focusedView =~ /^orchestrator\\.(sessions|history)$/ && listFocus && !inputFocus`;
export const keybindings = [
  { command: c.renameSelected, key: 'f2', mac: 'enter', when: onRow },
  { command: c.removeSelected, key: 'delete', mac: 'cmd+backspace', when: onRow },
];
