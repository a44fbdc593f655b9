import type { Disposable } from '../../base/disposable.ts';
import type { CoreContext } from '../context.ts';
import { type Principal, principalName } from './owners.ts';
import type { Terminal } from './terminal.ts';

export type AuditAction = 'spawn' | 'write' | 'resize' | 'kill';

/** Writes and resizes of one principal are one entry a second. */
const gatherMs = 1_000;

interface Gathered {
  readonly terminal: Terminal;
  readonly by: Principal;
  readonly action: AuditAction;
  count: number;
  bytes: number;
}

/**
 * Who did what to which terminal, as `terminal.audit` events. What was written is never told, only how much. What is
 * gathered in the last second before this process is killed is lost; `dispose` stores it.
 */
export class TerminalAudit implements Disposable {
  private readonly context: CoreContext;
  private readonly gathered = new Map<string, Gathered>();
  private timer: Disposable | undefined;

  constructor(context: CoreContext) {
    this.context = context;
  }

  /** @param bytes of what was written. */
  note(terminal: Terminal, by: Principal, action: AuditAction, bytes = 0): void {
    const key = `${terminal.id} ${action} ${principalName(by)}`;
    const entry = this.gathered.get(key) ?? { terminal, by, action, count: 0, bytes: 0 };
    entry.count += 1;
    entry.bytes += bytes;
    this.gathered.set(key, entry);
    if (action !== 'write' && action !== 'resize') this.flush();
    else this.timer ??= this.context.clock.setTimer(gatherMs, () => this.flush());
  }

  dispose(): void {
    this.flush();
  }

  private flush(): void {
    this.timer?.dispose();
    this.timer = undefined;
    const entries = [...this.gathered.values()];
    this.gathered.clear();
    if (entries.length === 0) return;
    try {
      this.context.log.commit((tx) => {
        for (const { terminal, by, action, count, bytes } of entries) {
          const { id, sessionId } = terminal;
          tx.report(
            'terminal.audit',
            // Not of the run: its stream tells what the run did.
            { sessionId, terminalId: id },
            { principal: principalName(by), action, count, bytes },
          );
        }
      });
    } catch (error) {
      this.context.failures.report(error, 'write the audit log of terminals');
    }
  }
}
