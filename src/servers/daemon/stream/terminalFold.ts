import type { OrchestratorEvent } from '../../../core/events/event.ts';
import { countOf, textOf } from '../../../core/runs/runPayloads.ts';
import type { Terminal } from '../../../core/terminals/terminal.ts';
import type { DaemonTerminal } from '../../../protocol/daemon/shapes.ts';
import { isoDate } from '../words.ts';

/** The terminal as the log tells it up to this event. Pure; undefined before `terminal.created`. */
export function reduceTerminal(
  before: DaemonTerminal | undefined,
  { type, data, time, sessionId }: OrchestratorEvent,
  id: string,
): DaemonTerminal | undefined {
  if (type === 'terminal.created') {
    return {
      id,
      sessionId: sessionId ?? '',
      name: textOf(data, 'name') ?? '',
      managedBy: textOf(data, 'managed_by') ?? null,
      shell: textOf(data, 'shell') ?? '',
      cwd: textOf(data, 'cwd') ?? '',
      cols: countOf(data, 'cols') ?? 0,
      rows: countOf(data, 'rows') ?? 0,
      state: 'starting',
      pid: 0,
      createdAt: isoDate(time),
    };
  }
  if (before === undefined) return undefined;
  if (type === 'terminal.updated') {
    return {
      ...before,
      name: textOf(data, 'name') ?? before.name,
      state: textOf(data, 'state') ?? before.state,
      pid: countOf(data, 'pid') ?? before.pid,
      cols: countOf(data, 'cols') ?? before.cols,
      rows: countOf(data, 'rows') ?? before.rows,
    };
  }
  if (type === 'terminal.exited') {
    return { ...before, state: 'exited', exitCode: countOf(data, 'exit_code') ?? null };
  }
  return before;
}

/** The terminal as it is. */
export function daemonTerminal(terminal: Terminal): DaemonTerminal {
  const { id, sessionId, name, managedBy, shell, cwd, cols, rows, state, pid, createdAt, exit } = terminal;
  return {
    id,
    sessionId,
    name,
    managedBy,
    shell,
    cwd,
    cols,
    rows,
    state,
    pid,
    createdAt: isoDate(createdAt),
    ...(exit === undefined ? {} : { exitCode: exit.exitCode }),
  };
}
