import { OrchestratorError } from '../base/errors.ts';
import { readJson, writeFileAtomic } from '../processHost/files.ts';

/** Who serves a state directory, as it says of itself in core.json. Only for messages: the lock alone decides. */
export interface CoreHolder {
  readonly pid: number;
  /** For a person, e.g. `orchestrator serve` or the name of a VS Code window. */
  readonly label: string;
  readonly kind: 'vscode' | 'serve' | 'run';
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
}

export function writeCoreHolder(path: string, holder: CoreHolder): void {
  writeFileAtomic(path, `${JSON.stringify(holder)}\n`);
}

/** Undefined where nobody has written one, or nobody can read it. */
export function readCoreHolder(path: string): CoreHolder | undefined {
  let value: unknown;
  try {
    value = readJson(path);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { pid, label, kind, startedAt } = value as Partial<Record<keyof CoreHolder, unknown>>;
  if (typeof pid !== 'number' || typeof label !== 'string' || typeof startedAt !== 'number') return undefined;
  if (kind !== 'vscode' && kind !== 'serve' && kind !== 'run') return undefined;
  return { pid, label, kind, startedAt };
}

export function stateInUse(stateDir: string, holder: CoreHolder | undefined): OrchestratorError {
  const who =
    holder === undefined
      ? 'another orchestrator'
      : `${describeHolder(holder)}, since ${new Date(holder.startedAt).toLocaleString()}`;
  return new OrchestratorError(
    'FAILED_PRECONDITION',
    'state_in_use',
    `The state directory ${stateDir} is served by ${who}. ` +
      'Run it from there, or use another directory with --state-dir. ps, logs, attach, kill and events work beside it.',
    { details: { stateDir, holder } },
  );
}

export function describeHolder(holder: CoreHolder): string {
  const kind = { vscode: 'VS Code', serve: 'orchestrator serve', run: 'orchestrator run' }[holder.kind];
  return holder.label === kind
    ? `${kind} (pid ${holder.pid})`
    : `${kind} "${holder.label}" (pid ${holder.pid})`;
}
