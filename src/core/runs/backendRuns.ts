import type { Run, RunRequest } from './run.ts';

const backendEngine = 'backend:';

/** The engine of runs that are sent to the run backend of this name. */
export function backendEngineOf(name: string): string {
  return `${backendEngine}${name}`;
}

/** The run backend that carries a run out; undefined with every other engine. */
export function backendNameOf({ engine }: Pick<RunRequest, 'engine'>): string | undefined {
  return engine?.startsWith(backendEngine) === true ? engine.slice(backendEngine.length) : undefined;
}

export function isBackendRun({ request }: Pick<Run, 'request'>): boolean {
  return backendNameOf(request) !== undefined;
}
