import type { Terminal } from '../../../core/terminals/terminal.ts';
import type { TerminalExitStatus, TerminalSnapshot } from '../../../core/ports/processHost.ts';
import {
  ExitReason,
  type Terminal as TerminalMessage,
  type TerminalExit,
  type TerminalSnapshot as SnapshotMessage,
  TerminalState,
} from '../../../protocol/gen/terminal/v1/terminal.ts';
import { dateOf } from './values.ts';

const states: Readonly<Record<Terminal['state'], TerminalState>> = {
  starting: TerminalState.TERMINAL_STATE_STARTING,
  running: TerminalState.TERMINAL_STATE_RUNNING,
  exited: TerminalState.TERMINAL_STATE_EXITED,
};

const reasons: Readonly<Record<TerminalExitStatus['reason'], ExitReason>> = {
  exited: ExitReason.EXIT_REASON_EXITED,
  killed: ExitReason.EXIT_REASON_KILLED,
  host_lost: ExitReason.EXIT_REASON_HOST_LOST,
};

export function terminalMessage(terminal: Terminal): TerminalMessage {
  const { id, sessionId, name, shell, args, cwd, cols, rows, pid, exit } = terminal;
  return {
    id,
    sessionId,
    name,
    managedBy: terminal.managedBy ?? '',
    runId: terminal.runId ?? '',
    shell,
    args: [...args],
    cwd,
    cols,
    rows,
    pid,
    state: states[terminal.state],
    createdAt: dateOf(terminal.createdAt),
    exit: exit === undefined ? undefined : exitMessage(exit),
  };
}

export function exitMessage({ exitCode, signal, reason, exitedAt }: TerminalExitStatus): TerminalExit {
  return {
    exitCode: exitCode ?? undefined,
    signal: signal ?? undefined,
    reason: reasons[reason],
    exitedAt: dateOf(exitedAt),
  };
}

export function snapshotMessage({
  offset,
  cols,
  rows,
  data,
  text,
  droppedBytes,
}: TerminalSnapshot): SnapshotMessage {
  return { offset, cols, rows, data, text, droppedBytes };
}
