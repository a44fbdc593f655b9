import { OrchestratorError } from '../../base/errors.ts';
import type { ProcessHost } from '../ports/processHost.ts';

const connectionAttempts = 3;

/**
 * Does again what failed only because the connection broke while the host lives on. Safe for what the host does once
 * however often it is asked: a worker of one id starts once, and following repeats nothing.
 */
export async function overBreaks(
  processHost: ProcessHost,
  isDisposed: () => boolean,
  action: () => Promise<void>,
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await processHost.ensureConnected();
      await action();
      return;
    } catch (error) {
      const isBroken =
        OrchestratorError.is(error, 'process_host_lost') && processHost.connection.state !== 'lost';
      if (!isBroken || isDisposed() || attempt === connectionAttempts) throw error;
    }
  }
}
