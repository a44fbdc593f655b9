import { OrchestratorError } from '../../base/errors.ts';
import type { RunEnd } from './runEnd.ts';

/** Of the run nothing is known any more. */
export function backendLostEnd(name: string, why: string): RunEnd {
  return {
    kind: 'failed',
    reason: 'backend_lost',
    message: `${why} The run may still be going on at the run backend "${name}". Use Retry to run it again.`,
  };
}

/** Why the backend does not carry the run out, with what to do next. */
export function backendRefusalEnd(name: string, error: unknown): RunEnd {
  const { code, reason, message } = OrchestratorError.from(error);
  const said = /[.!?]$/.test(message) ? message : `${message}.`;
  return { kind: 'failed', reason, message: `${told(code, name, said)} ${whatNext(code)}` };
}

function told(code: OrchestratorError['code'], name: string, said: string): string {
  if (code === 'UNAUTHENTICATED') return `The run backend "${name}" does not know who asks: ${said}`;
  if (code === 'PERMISSION_DENIED') return `The run backend "${name}" does not allow this: ${said}`;
  if (code === 'UNAVAILABLE') return `The run backend "${name}" cannot be reached: ${said}`;
  return `The run backend "${name}" did not carry the run out: ${said}`;
}

function whatNext(code: OrchestratorError['code']): string {
  switch (code) {
    case 'UNAUTHENTICATED':
    case 'PERMISSION_DENIED':
      return 'Enter another token by "Add Run Backend…", under the same name, and use Retry.';
    case 'UNAVAILABLE':
      return 'See whether it runs and whether its address in orchestrator.backends is right, and use Retry.';
    default:
      return 'Use Retry to run it again.';
  }
}
