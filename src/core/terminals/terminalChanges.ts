import type { LogTransaction } from '../events/logTransaction.ts';
import type { TerminalExitStatus } from '../ports/processHost.ts';
import type { Terminal } from './terminal.ts';

/** The changes of a terminal, each with its event, for transactions of any manager. */

export function createTerminal(tx: LogTransaction, terminal: Terminal): void {
  const { name, managedBy, runId, shell, cwd, cols, rows } = terminal;
  tx.put('terminal', terminal);
  tx.report('terminal.created', scopeOf(terminal), {
    name,
    managed_by: managedBy,
    run_id: runId,
    shell,
    cwd,
    cols,
    rows,
  });
}

export function updateTerminal(tx: LogTransaction, terminal: Terminal): void {
  const { name, state, pid, cols, rows } = terminal;
  tx.put('terminal', terminal);
  tx.report('terminal.updated', scopeOf(terminal), { name, state, pid, cols, rows });
}

/** Does nothing to a terminal that has ended already: its first end counts. */
export function exitTerminal(
  tx: LogTransaction,
  terminal: Terminal,
  exit: TerminalExitStatus,
  end: number | null,
): void {
  if (terminal.state === 'exited') return;
  const { exitCode, signal, reason, exitedAt, oomKills } = exit;
  const oom = oomKills === undefined ? {} : { oomKills };
  tx.put('terminal', { ...terminal, state: 'exited', exit: { exitCode, signal, reason, exitedAt, ...oom } });
  tx.report('terminal.exited', scopeOf(terminal), {
    exit_code: exitCode,
    signal,
    reason,
    end,
    ...(oomKills === undefined ? {} : { oom_kills: oomKills }),
  });
}

export function removeTerminal(tx: LogTransaction, terminal: Terminal): void {
  tx.delete('terminal', terminal.id);
  tx.report('terminal.removed', scopeOf(terminal), { name: terminal.name });
}

export function hostLostExit(time: number): TerminalExitStatus {
  return { exitCode: null, signal: null, reason: 'host_lost', exitedAt: time };
}

function scopeOf(terminal: Terminal): { sessionId: string; runId: string | undefined; terminalId: string } {
  return { sessionId: terminal.sessionId, runId: terminal.runId ?? undefined, terminalId: terminal.id };
}
