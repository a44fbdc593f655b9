import type { Clock } from '../base/clock.ts';
import type { IdSource } from '../base/ids.ts';
import type { Logger } from '../base/logger.ts';
import type { EventLog } from './events/eventLog.ts';
import type { StateMirror } from './events/stateMirror.ts';
import type { Failures } from './failures.ts';
import type { OrchestratorLimits } from './limits.ts';
import type { ContainerParts } from './ports/containerParts.ts';
import type { Models, WindowModels } from './ports/models.ts';
import type { Environment } from './ports/environment.ts';
import type { RunBackends } from './ports/runBackends.ts';
import type { ProcessHost } from './ports/processHost.ts';
import type { ProcessMetrics } from './ports/processMetrics.ts';
import type { ShellFiles } from './ports/shellFiles.ts';
import type { Store } from './ports/store.ts';
import type { RunTools } from './tools/runTools.ts';

/** What every manager works with. Made once, by the Orchestrator. */
export interface CoreContext {
  readonly store: Store;
  /** Reads of sessions, terminals and live runs: never older than the last commit. */
  readonly state: StateMirror;
  /** The only way to change anything. */
  readonly log: EventLog;
  readonly processHost: ProcessHost;
  readonly environment: Environment;
  /** Without it, shells are started as they are and print no marks. */
  readonly shellFiles: ShellFiles | undefined;
  /** Without it, nothing is known of what terminals use. */
  readonly processMetrics: ProcessMetrics | undefined;
  /** Without it there are no containers. */
  readonly containers: ContainerParts | undefined;
  /** Without it there is no engine `model`. */
  readonly models: Models | undefined;
  /** The tools of runs. */
  readonly tools: RunTools;
  /** Without it, the provider `vscode` is not there. */
  readonly windowModels: WindowModels | undefined;
  /** Without it there are no engines `backend:<name>`. */
  readonly backends: RunBackends | undefined;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly logger: Logger;
  readonly limits: OrchestratorLimits;
  readonly failures: Failures;
}
