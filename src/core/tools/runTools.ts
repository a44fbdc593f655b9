import type { Run } from '../runs/run.ts';
import type { ToolSecrets, ToolServer } from './toolServer.ts';
import type { ToolSet } from './toolSet.ts';

/** The tools that runs can have, as they are set up now. */
export interface RunTools {
  /** What a worker needs to open them. The secrets go into its environment, never into what is written down. */
  forRun(): Promise<{ readonly servers: readonly ToolServer[]; readonly secrets: ToolSecrets }>;
  /** Opens them in this process, for a run without a worker. Error: `aborted`. */
  open(run: Run, signal: AbortSignal): Promise<ToolSet>;
}
