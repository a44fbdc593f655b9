/** What the package publishes as `orchestration-workbench/daemon-client`; the hooks are beside it (`react.ts`). */

export { OrchestratorError as DaemonError } from '../../base/errors.ts';
export type { ErrorCode, ErrorReason } from '../../base/errors.ts';
export type { StreamChunk, ToolCall } from '../../protocol/daemon/frames.ts';
export type {
  DaemonRun,
  DaemonSession,
  DaemonSessionStatus,
  DaemonSessionType,
  DaemonStatus,
  DaemonTask,
  DaemonTerminal,
} from '../../protocol/daemon/shapes.ts';
export type { DaemonEventName, DaemonEvents, DaemonListener } from './clientEvents.ts';
export type { ConnectionState } from './connector.ts';
export {
  DaemonClient,
  type ExecutedTask,
  type ExecuteTaskOptions,
  getDaemonClient,
  type ListSessionsOptions,
  type SessionsPage,
  type SpawnSessionPayload,
} from './daemonClient.ts';
export { DaemonPool, type DaemonPoolOptions, type PooledDaemon, type PooledSession } from './daemonPool.ts';
export {
  createDaemonStore,
  type DaemonSnapshot,
  type DaemonStore,
  type DaemonStoreOptions,
} from './daemonStore.ts';
export type { DaemonFrame } from './frameCodec.ts';
export type { DaemonClientOptions } from './options.ts';
export {
  createSessionMonitor,
  type SessionMonitor,
  type SessionMonitorOptions,
  type SessionSnapshot,
} from './sessionMonitor.ts';
export type { DaemonTopic, SubscriptionRequest } from './subscriptions.ts';
export type { TerminalAttachment, TerminalExit, TerminalListeners } from './terminalAttachment.ts';
export type { CreateWebSocket, WebSocketLike } from './webSocket.ts';
