import { OrchestratorError } from '../base/errors.ts';
import type { CoreHolder } from '../processHost/coreHolder.ts';

export function stateInUse(stateDir: string, holder: CoreHolder | undefined): OrchestratorError {
  const who =
    holder === undefined
      ? 'another orchestrator'
      : `${describeHolder(holder)}, since ${new Date(holder.startedAt).toLocaleString()}`;
  return new OrchestratorError(
    'FAILED_PRECONDITION',
    'state_in_use',
    `The state directory ${stateDir} is served by ${who}, which takes no commands. ` +
      'Wait for its end, or use another directory with --state-dir. ps, logs, attach, kill and events work beside it.',
    { details: { stateDir, pid: holder?.pid } },
  );
}

export function describeHolder(holder: CoreHolder): string {
  const kind = {
    vscode: 'VS Code',
    serve: 'orchestrator serve',
    run: 'orchestrator run',
    mcp: 'orchestrator mcp',
  }[holder.kind];
  return holder.label === kind
    ? `${kind} (pid ${holder.pid})`
    : `${kind} "${holder.label}" (pid ${holder.pid})`;
}
