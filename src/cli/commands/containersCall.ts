import type { ContainerAccess } from '../../core/containers/containerAccess.ts';
import type { ServingOrchestrator } from '../../core/orchestratorAccess.ts';
import type { CommandContext } from '../commandContext.ts';

export interface ContainersFlags {
  readonly cwd?: string | undefined;
  readonly name?: string | undefined;
  readonly network?: string | undefined;
  readonly follow?: boolean | undefined;
  readonly force?: boolean | undefined;
  readonly detach?: boolean | undefined;
  readonly stdin?: boolean | undefined;
  readonly tty?: boolean | undefined;
  readonly internal?: boolean | undefined;
}

/** One call of `orchestrator containers`. */
export interface ContainersCall {
  readonly context: CommandContext;
  readonly serving: ServingOrchestrator;
  readonly containers: ContainerAccess;
  readonly words: readonly string[];
  readonly flags: ContainersFlags;
}
