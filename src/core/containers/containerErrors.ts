import { OrchestratorError } from '../../base/errors.ts';
import type { Container } from './container.ts';

export function notRunning(container: Container): OrchestratorError {
  return new OrchestratorError(
    'FAILED_PRECONDITION',
    'invalid_request',
    `The container "${container.name}" is not running (${container.state}).`,
  );
}
