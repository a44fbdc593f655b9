import { given } from '../../../protocol/given.ts';
import type { Terminal } from '../../../core/terminals/terminal.ts';
import type {
  TerminalCeilings,
  TerminalExitStatus,
  TerminalSnapshot,
} from '../../../core/ports/processHost.ts';
import {
  ExitReason,
  type Terminal as TerminalMessage,
  type TerminalCeilings as CeilingsMessage,
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
  out_of_memory: ExitReason.EXIT_REASON_OUT_OF_MEMORY,
};

export function terminalMessage(terminal: Terminal): TerminalMessage {
  const { id, sessionId, name, shell, args, cwd, cols, rows, pid, exit, ceilings } = terminal;
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
    ceilings: ceilings === undefined ? undefined : ceilingsMessage(ceilings),
  };
}

export function exitMessage({
  exitCode,
  signal,
  reason,
  exitedAt,
  oomKills = 0,
}: TerminalExitStatus): TerminalExit {
  return {
    exitCode: exitCode ?? undefined,
    signal: signal ?? undefined,
    reason: reasons[reason],
    exitedAt: dateOf(exitedAt),
    oomKills,
  };
}

export function ceilingsOf(message: CeilingsMessage | undefined): TerminalCeilings | undefined {
  if (message === undefined) return undefined;
  return {
    memoryBytes: given(message.memoryBytes),
    cpuPercent: given(message.cpuPercent),
    processes: given(message.processes),
  };
}

function ceilingsMessage({
  memoryBytes = 0,
  cpuPercent = 0,
  processes = 0,
}: TerminalCeilings): CeilingsMessage {
  return { memoryBytes, cpuPercent, processes };
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
