import { given } from '../../protocol/given.ts';
import type { TerminalExitStatus, TerminalSnapshot } from '../../core/ports/processHost.ts';
import type { Terminal } from '../../core/terminals/terminal.ts';
import {
  ExitReason,
  type Terminal as TerminalMessage,
  type TerminalExit as ExitMessage,
  type TerminalSnapshot as SnapshotMessage,
  TerminalState,
} from '../../protocol/gen/terminal/v1/terminal.ts';
import { timeOf, wordOf } from './values.ts';

const states: Readonly<Record<number, Terminal['state']>> = {
  [TerminalState.TERMINAL_STATE_STARTING]: 'starting',
  [TerminalState.TERMINAL_STATE_RUNNING]: 'running',
  [TerminalState.TERMINAL_STATE_EXITED]: 'exited',
};

const reasons: Readonly<Record<number, TerminalExitStatus['reason']>> = {
  [ExitReason.EXIT_REASON_EXITED]: 'exited',
  [ExitReason.EXIT_REASON_KILLED]: 'killed',
  [ExitReason.EXIT_REASON_HOST_LOST]: 'host_lost',
  [ExitReason.EXIT_REASON_OUT_OF_MEMORY]: 'out_of_memory',
};

export function terminalOf(message: TerminalMessage): Omit<Terminal, 'marks'> {
  const { id, sessionId, name, shell, args, cwd, cols, rows, pid, exit } = message;
  return {
    id,
    sessionId,
    name,
    managedBy: given(message.managedBy) ?? null,
    runId: given(message.runId) ?? null,
    shell,
    args,
    cwd,
    cols,
    rows,
    pid,
    createdAt: timeOf(message.createdAt),
    state: wordOf(states, message.state, 'state of a terminal'),
    exit: exit === undefined ? undefined : exitOf(exit),
  };
}

export function exitOf({ exitCode, signal, reason, exitedAt, oomKills }: ExitMessage): TerminalExitStatus {
  return {
    exitCode: exitCode ?? null,
    signal: signal ?? null,
    reason: wordOf(reasons, reason, 'reason of an exit'),
    exitedAt: timeOf(exitedAt),
    ...(oomKills === 0 ? {} : { oomKills }),
  };
}

export function snapshotOf(message: SnapshotMessage): TerminalSnapshot {
  const { offset, cols, rows, data, text, droppedBytes } = message;
  return { offset, cols, rows, data, text, droppedBytes };
}
