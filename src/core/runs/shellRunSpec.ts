import type { Environment } from '../ports/environment.ts';
import type { Run } from './run.ts';
import type { ShellRunSpec } from './runEvents.ts';

const defaultCols = 120;
const defaultRows = 30;

/** What a shell worker is told; the environment is that of now, not of when the run was asked for,
 * unless whoever asked gave all of it. */
export function shellRunSpec(run: Run, environment: Environment): ShellRunSpec {
  const { request, steps } = run;
  return {
    runId: run.id,
    task: request.task,
    commands: steps.map((step) => step.command),
    shell: request.shell ?? environment.defaultShell(),
    cwd: request.cwd ?? environment.defaultDirectory(),
    env: environment.childEnvironment(request.env, { isWhole: request.isEnvWhole }),
    cols: request.cols ?? defaultCols,
    rows: request.rows ?? defaultRows,
    timeoutMs: request.timeoutMs ?? null,
    platform: environment.platform,
  };
}
