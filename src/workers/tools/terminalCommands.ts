import type { Clock } from '../../base/clock.ts';
import type { IdSource } from '../../base/ids.ts';
import type { ProcessHost } from '../../core/ports/processHost.ts';
import type { RunEventData } from '../../core/runs/runEvents.ts';
import type { CommandRunner } from '../../core/tools/builtInTools.ts';
import { OutputTail } from '../../core/tools/outputTail.ts';
import { followToEnd } from '../shell/followToEnd.ts';
import { singleCommandArguments } from '../shell/shellDriver.ts';

export interface TerminalCommandsOptions {
  readonly terminals: Pick<ProcessHost, 'spawnTerminal' | 'followTerminal' | 'killTerminal'>;
  /** Absolute path. */
  readonly shell: string;
  /** Of the session: absolute. */
  readonly cwd: string;
  /** The whole environment of a command. */
  readonly env: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly ids: IdSource;
  /** To be reported as it is (`runner.terminal`): so people see the terminal in the tree, and can attach to it. */
  readonly onTerminal: (terminal: RunEventData['runner.terminal']) => void;
}

const cols = 120;
const rows = 30;

/** Runs commands of a model, each in a terminal of its own under the process host. */
export function createTerminalCommands(options: TerminalCommandsOptions): CommandRunner {
  const { terminals, shell, cwd, env, clock, ids, onTerminal } = options;
  return {
    async run({ command, timeoutMs }, signal) {
      signal.throwIfAborted();
      const id = ids.uuidV4();
      const args = singleCommandArguments(shell, command);
      const { pid } = await terminals.spawnTerminal({ id, file: shell, args, cwd, env, cols, rows });
      onTerminal({ terminal_id: id, shell, args, cwd, cols, rows, pid });
      const limit = { isOver: false };
      const kill = (): void => void terminals.killTerminal(id).catch(() => undefined);
      const timer = clock.setTimer(timeoutMs, () => {
        limit.isOver = true;
        kill();
      });
      signal.addEventListener('abort', kill, { once: true });
      // It may have come while the terminal was started.
      if (signal.aborted) kill();
      try {
        const tail = new OutputTail();
        const { exitCode } = await followToEnd(terminals, id, { onData: (data) => tail.add(data) });
        return {
          exitCode: limit.isOver || signal.aborted ? null : exitCode,
          isTimedOut: limit.isOver,
          output: tail.text(),
          terminalId: id,
        };
      } finally {
        timer.dispose();
        signal.removeEventListener('abort', kill);
      }
    },
  };
}
