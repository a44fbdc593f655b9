import type { CoreHolder } from '../../processHost/coreHolder.ts';

/** Who serves, for a sentence; without a holder another window, which has not said yet who it is. */
export function describeHolderName(holder: CoreHolder | undefined): string {
  if (holder === undefined) return 'another window';
  if (holder.kind === 'vscode') return `the window "${holder.label}"`;
  return `\`orchestrator ${holder.kind}\` (pid ${holder.pid})`;
}
