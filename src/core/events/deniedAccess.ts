import type { EventLog } from './eventLog.ts';

/** One address and why it was refused, over a while. Never what it sent. */
export interface DeniedAccess {
  readonly remoteAddress: string;
  readonly reason: string;
  readonly count: number;
}

/** Writes into the log who was refused at a door. Error: `disk_full`. */
export function reportDeniedAccess(log: EventLog, denials: readonly DeniedAccess[]): void {
  log.commit((tx) => {
    for (const { remoteAddress, reason, count } of denials) {
      tx.report('access.denied', {}, { remote_address: remoteAddress, reason, count });
    }
  });
}
