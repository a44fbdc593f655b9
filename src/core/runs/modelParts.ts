import type { Models, WindowModels } from '../ports/models.ts';
import type { ToolSecrets, ToolServer } from '../tools/toolServer.ts';
import type { ToolSet } from '../tools/toolSet.ts';
import type { Run } from './run.ts';

/** The tool servers of a run, as they are set up now; constraints are the tool set's own matter. */
export interface RunTools {
  forRun(run: Run): Promise<{ readonly servers: readonly ToolServer[]; readonly secrets: ToolSecrets }>;
  /** Opens them in this process, for a run without a worker. */
  open?(run: Run, signal: AbortSignal): Promise<ToolSet>;
}

/** What the engine `model` needs of the world. */
export interface ModelParts {
  /** Without it there is no engine `model`. */
  readonly models?: Models | undefined;
  /** Without it, models have no tools of servers. */
  readonly tools?: RunTools | undefined;
  /** Without it, the provider `vscode` is not there. */
  readonly windowModels?: WindowModels | undefined;
}
