import type { Clock } from '../base/clock.ts';
import type { IdSource } from '../base/ids.ts';
import type { Logger } from '../base/logger.ts';
import type { TasksAtQuit } from './containerTasks/containerTaskManager.ts';
import type { OrchestratorLimits } from './limits.ts';
import type { ContainerParts } from './ports/containerParts.ts';
import type { ContainerTaskPlaces } from './ports/containerTasks.ts';
import type { Environment } from './ports/environment.ts';
import type { Models, WindowModels } from './ports/models.ts';
import type { ProcessHost } from './ports/processHost.ts';
import type { ProcessMetrics } from './ports/processMetrics.ts';
import type { RunBackends } from './ports/runBackends.ts';
import type { ShellFiles } from './ports/shellFiles.ts';
import type { Store } from './ports/store.ts';
import type { ToolParts } from './ports/toolParts.ts';

/** What an orchestrator needs of the world. */
export interface OrchestratorDependencies {
  /** Disposed by whoever opened it, after `close`. */
  readonly store: Store;
  /** Disposed by whoever made it, after `close`. */
  readonly processHost: ProcessHost;
  readonly environment: Environment;
  /** Without it, interactive shells are started as they are and print no marks around commands. */
  readonly shellFiles?: ShellFiles | undefined;
  /** Without it, nothing is known of what terminals use. */
  readonly processMetrics?: ProcessMetrics | undefined;
  /** Without it there are no containers: what is asked of them answers `container_engine_missing`. */
  readonly containers?: ContainerParts | undefined;
  /** Without it there are no container tasks. */
  readonly containerTaskPlaces?: ContainerTaskPlaces | undefined;
  /** Without it there is no engine `model`. */
  readonly models?: Models | undefined;
  /** Without it, the provider `vscode` is not there. */
  readonly windowModels?: WindowModels | undefined;
  /** Without it no run can be sent elsewhere. */
  readonly backends?: RunBackends | undefined;
  /** Without it there are only the orchestrator's own tools. */
  readonly tools?: ToolParts | undefined;
  /** What `close` does with running container tasks. Default: keep. */
  readonly containerTasksAtQuit?: TasksAtQuit | undefined;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly logger: Logger;
  readonly limits?: Partial<OrchestratorLimits> | undefined;
}
