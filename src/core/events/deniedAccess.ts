import type { Logger } from '../../base/logger.ts';
import type { EventLog } from './eventLog.ts';

/** One address and why it was refused, over a while. Never what it sent. */
export interface DeniedAccess {
  readonly remoteAddress: string;
  readonly reason: string;
  readonly count: number;
}

/** Writes into the log who was refused at a door. A full disk is no reason to let the door fail: then a line tells. */
export function reportDeniedAccess(log: EventLog, denials: readonly DeniedAccess[], logger: Logger): void {
  try {
    log.commit((tx) => {
      for (const { remoteAddress, reason, count } of denials) {
        tx.report('access.denied', {}, { remote_address: remoteAddress, reason, count });
      }
    });
  } catch (error) {
    logger.error('Could not write down who was refused', error);
  }
}
