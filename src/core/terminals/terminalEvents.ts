import { toDisposable } from '../../base/disposable.ts';
import type { Event } from '../../base/emitter.ts';
import type { OrchestratorEvent } from '../events/event.ts';
import type { TerminalExitStatus } from '../ports/processHost.ts';
import { mayTouch, type Principal } from './owners.ts';
import type { Terminal } from './terminal.ts';
import { exitCodeOf } from './terminalCommands.ts';

/** The end of a terminal, told after its last byte was recorded. */
export interface TerminalExited {
  readonly id: string;
  readonly managed_by: string | null;
  /** As in `getTerminalSessionInfo`; null where nobody can tell, because the process host was lost. */
  readonly exit_code: number | null;
  /** Number of the signal that ended it, or null. */
  readonly signal: number | null;
  readonly reason: TerminalExitStatus['reason'];
  /** A sentence for a person. */
  readonly message: string;
}

/** What a terminal's processes use has passed a threshold that is set: told once until it has fallen again. */
export interface ThresholdPassed {
  readonly id: string;
  readonly managed_by: string | null;
  readonly metric: 'cpu_percent' | 'memory_bytes';
  readonly value: number;
  readonly threshold: number;
}

export interface TerminalEvents {
  readonly onDidExitTerminal: Event<TerminalExited>;
  readonly onDidPassThreshold: Event<ThresholdPassed>;
}

/** Of terminals that the principal may touch. */
export function createTerminalEvents(
  onDidAppend: Event<OrchestratorEvent>,
  find: (id: string) => Terminal | undefined,
  principal: Principal,
): TerminalEvents {
  /** Makes an event of those of the log that `read` answers to. */
  const eventOf =
    <T>(read: (event: OrchestratorEvent, terminal: Terminal) => T | undefined): Event<T> =>
    (listener) => {
      let isOver = false;
      const subscription = onDidAppend((event) => {
        const terminal = event.terminalId === undefined ? undefined : find(event.terminalId);
        if (isOver || terminal === undefined || !mayTouch(principal, terminal.managedBy)) return;
        const told = read(event, terminal);
        if (told !== undefined) listener(told);
      });
      return toDisposable(() => {
        isOver = true;
        subscription.dispose();
      });
    };
  return {
    onDidExitTerminal: eventOf(({ type }, { id, managedBy, exit }) => {
      if (type !== 'terminal.exited' || exit === undefined) return undefined;
      const { signal, reason } = exit;
      const message = describeExit(exit);
      return { id, managed_by: managedBy, exit_code: exitCodeOf(exit), signal, reason, message };
    }),
    onDidPassThreshold: eventOf(({ type, data }, { id, managedBy }) => {
      if (type !== 'terminal.threshold') return undefined;
      const { metric, value, threshold } = data as unknown as Omit<ThresholdPassed, 'id' | 'managed_by'>;
      return { id, managed_by: managedBy, metric, value, threshold };
    }),
  };
}

/** A sentence for a person: how the terminal ended. */
export function describeExit({ reason, exitCode, signal }: TerminalExitStatus): string {
  switch (reason) {
    case 'killed':
      return 'The terminal was killed.';
    case 'host_lost':
      return 'The terminal ended because the process host was lost.';
    case 'out_of_memory':
      return 'The process was ended because the terminal reached its memory ceiling.';
    case 'exited':
      return exitCode === null
        ? `The process was ended by signal ${signal ?? 'unknown'}.`
        : `The process ended with exit code ${exitCode}.`;
  }
}
