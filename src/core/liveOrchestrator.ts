import type { Event } from '../base/emitter.ts';
import type { AgentRegistry } from './agents/agentRegistry.ts';
import type { ContainerImages } from './containers/containerImages.ts';
import type { ContainerManager } from './containers/containerManager.ts';
import type { ContainerOutput } from './containers/containerOutput.ts';
import type { ContainerTaskManager } from './containerTasks/containerTaskManager.ts';
import type { OrchestratorEvent } from './events/event.ts';
import type { EventLog } from './events/eventLog.ts';
import type { RunManager } from './runs/runManager.ts';
import type { SessionManager } from './sessions/sessionManager.ts';
import type { TaskManager } from './tasks/taskManager.ts';
import type { PtyManager } from './terminals/ptyManager.ts';
import type { TerminalMetrics } from './terminals/terminalMetrics.ts';

/**
 * An orchestrator as views draw it and commands drive it: what there is, at hand, with what changes, and what can be
 * done. The core of this process is one, and so is the mirror of one behind its gRPC door.
 */
export interface LiveOrchestrator {
  readonly sessions: Pick<
    SessionManager,
    'list' | 'find' | 'create' | 'rename' | 'closePreview' | 'close' | 'ensureDefault'
  >;
  readonly terminals: Pick<
    PtyManager,
    | 'list'
    | 'find'
    | 'get'
    | 'spawn'
    | 'write'
    | 'resize'
    | 'rename'
    | 'kill'
    | 'remove'
    | 'snapshot'
    | 'read'
    | 'follow'
    | 'hold'
  >;
  readonly runs: Pick<
    RunManager,
    'active' | 'list' | 'find' | 'get' | 'start' | 'abort' | 'retry' | 'remove' | 'waitForEnd' | 'onDidChange'
  >;
  readonly events: {
    /** Of sessions, terminals, containers and the process host, and where a run was removed; of container tasks where it has them. */
    readonly onDidAppend: Event<Pick<OrchestratorEvent, 'type' | 'sessionId' | 'runId'>>;
    /** The mirror of another orchestrator has no log to read. */
    readonly read?: EventLog['read'];
  };
  readonly terminalSessions: {
    getTerminalMetrics(id: string): Promise<Omit<TerminalMetrics, 'cpuMs'> | undefined>;
  };
  /** The mirror of another orchestrator has none. */
  readonly containers?: LiveContainers;
  /** Of agents that are registered with it; the mirror of another orchestrator has none. */
  readonly tasks?: Pick<TaskManager, 'find' | 'get' | 'readOutput'>;
  readonly agents?: Pick<AgentRegistry, 'find' | 'list' | 'status'>;
  readonly containerTasks?: Pick<ContainerTaskManager, 'find' | 'list' | 'onDidChange'> | undefined;
  /** The program in the foreground, by terminal id, where the machine tells. */
  foregroundPrograms(): Promise<ReadonlyMap<string, string>>;
}

/** Containers as views draw them and commands drive them. */
export type LiveContainers = Pick<
  ContainerManager,
  | 'engine'
  | 'onDidChangeEngine'
  | 'initialize'
  | 'list'
  | 'find'
  | 'get'
  | 'run'
  | 'start'
  | 'stop'
  | 'restart'
  | 'kill'
  | 'pause'
  | 'unpause'
  | 'remove'
  | 'exec'
  | 'write'
  | 'resize'
  | 'inspect'
  | 'watchUsage'
  | 'waitForExit'
> & {
  readonly images: Pick<ContainerImages, 'list' | 'find' | 'pull' | 'build'>;
  readonly output: Pick<ContainerOutput, 'end' | 'follow'>;
};
