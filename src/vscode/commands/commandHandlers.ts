import type { CommandId } from '../contributions/ids.ts';
import type { CommandHandler } from './context.ts';
import { agentCommands } from './agentCommands.ts';
import { backendCommands } from './backendCommands.ts';
import { daemonCommands } from './daemonCommands.ts';
import { containerCommands } from './containerCommands.ts';
import { containerTaskCommands } from './containerTaskCommands.ts';
import { mcpCommands } from './mcpCommands.ts';
import { modelCommands } from './modelCommands.ts';
import { ownerCommands } from './ownerCommands.ts';
import { remoteCommands } from './remoteCommands.ts';
import { runCommands } from './runCommands.ts';
import { sessionCommands } from './sessionCommands.ts';
import { terminalCommands } from './terminalCommands.ts';
import { toolCommands } from './toolCommands.ts';

/** Every command that the manifest declares: one that is missing does not compile. */
export const commandHandlers: Readonly<Record<CommandId, CommandHandler>> = {
  ...sessionCommands,
  ...runCommands,
  ...terminalCommands,
  ...ownerCommands,
  ...agentCommands,
  ...containerCommands,
  ...containerTaskCommands,
  ...remoteCommands,
  ...backendCommands,
  ...daemonCommands,
  ...mcpCommands,
  ...modelCommands,
  ...toolCommands,
};

/** What was being done, for the message of a failure. */
export const commandFailures: Readonly<Partial<Record<CommandId, string>>> = {
  'orchestrator.newSession': 'The session was not created',
  'orchestrator.renameSession': 'The session was not renamed',
  'orchestrator.closeSession': 'The session was not closed',
  'orchestrator.runTask': 'The run was not started',
  'orchestrator.abortRun': 'The run was not aborted',
  'orchestrator.retryRun': 'The run was not started again',
  'orchestrator.removeRun': 'The run was not removed',
  'orchestrator.clearHistory': 'The history was not cleared',
  'orchestrator.newTerminal': 'The terminal was not started',
  'orchestrator.attachTerminal': 'The terminal was not attached',
  'orchestrator.renameTerminal': 'The terminal was not renamed',
  'orchestrator.killTerminal': 'The terminal was not killed',
  'orchestrator.killOwner': 'The terminals were not killed',
  'orchestrator.splitTerminal': 'The terminal was not split',
  'orchestrator.openTerminalInEditor': 'The terminal was not opened',
  'orchestrator.removeTerminal': 'The terminal was not removed',
  'orchestrator.connectOrchestrator': 'The orchestrator was not connected',
  'orchestrator.disconnectOrchestrator': 'The orchestrator was not disconnected',
  'orchestrator.addRunBackend': 'The run backend was not added',
  'orchestrator.removeRunBackend': 'The run backend was not removed',
  'orchestrator.startDaemon': 'The daemon was not started',
  'orchestrator.stopDaemon': 'The daemon was not stopped',
  'orchestrator.copyDaemonAddress': 'The address was not copied',
  'orchestrator.copyDaemonToken': 'The token was not copied',
  'orchestrator.copyMcpConfiguration': 'The configuration was not copied',
  'orchestrator.connectDaemon': 'The daemon was not connected',
  'orchestrator.openOutput': 'The output was not opened',
  'orchestrator.runTaskOnAgent': 'The run was not started',
  'orchestrator.cancelTask': 'The task was not cancelled',
  'orchestrator.forgetAgent': 'The agent was not forgotten',
  'orchestrator.showTask': 'The task was not shown',
  'orchestrator.createContainer': 'The container was not created',
  'orchestrator.showContainerLogs': 'The logs were not shown',
  'orchestrator.openContainerShell': 'The shell was not opened',
  'orchestrator.attachContainer': 'The container was not attached',
  'orchestrator.inspectContainer': 'The container was not inspected',
  'orchestrator.openContainerPort': 'The port was not opened',
  'orchestrator.startContainer': 'The container was not started',
  'orchestrator.stopContainer': 'The container was not stopped',
  'orchestrator.restartContainer': 'The container was not restarted',
  'orchestrator.pauseContainer': 'The container was not paused',
  'orchestrator.resumeContainer': 'The container was not resumed',
  'orchestrator.killContainer': 'The container was not killed',
  'orchestrator.removeContainer': 'The container was not removed',
  'orchestrator.startContainerTask': 'The task was not started',
  'orchestrator.stopContainerTask': 'The task was not stopped',
  'orchestrator.stopAllContainerTasks': 'The tasks were not stopped',
  'orchestrator.retryContainerTask': 'The task was not started again',
  'orchestrator.showContainerTask': 'The task was not shown',
  'orchestrator.removeContainerTask': 'The task was not removed',
  'orchestrator.setModelKey': 'The key was not set',
  'orchestrator.removeModelKey': 'The key was not removed',
  'orchestrator.restartProcessHost': 'The process host was not restarted',
  'orchestrator.takeOverState': 'The state was not taken over',
};
