import type { Clock } from '../../base/clock.ts';
import { byteLength, pieceBytes } from '../../base/clip.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { IdSource } from '../../base/ids.ts';
import {
  codeCommand,
  type CodeOutcome,
  type CodePiece,
  type CodeRunner,
  maxCodeBytes,
} from '../../core/models/loop/codeTool.ts';
import type { EmitRunEvent } from '../../core/runs/runTeller.ts';
import { PlainText } from '../../core/terminals/plainText.ts';
import type { WorkerTerminals } from '../../processHost/workerClient.ts';
import { followToEnd } from '../shell/followToEnd.ts';

const cols = 120;
const rows = 30;
/** What a piece of code gets to end, in milliseconds. */
const codeLimitMs = 120_000;
const terminateGraceMs = 500;

export interface TerminalCodeDependencies {
  readonly terminals: WorkerTerminals;
  readonly cwd: string;
  /** The worker's own, without its secrets. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly emit: EmitRunEvent;
}

/** Runs code in terminals of the process host, one a piece: with a record, as all others, and gone with the run. */
export function terminalCode(dependencies: TerminalCodeDependencies): CodeRunner {
  return {
    place: 'terminal',
    async run(piece, signal) {
      if (byteLength(piece.code) > maxCodeBytes) {
        return notRun(`The code is too long: at most ${maxCodeBytes} bytes are taken.`);
      }
      try {
        return await runInTerminal(piece, signal, dependencies);
      } catch (error) {
        signal.throwIfAborted();
        return notRun(OrchestratorError.from(error).message);
      }
    },
  };
}

function notRun(error: string): CodeOutcome {
  return { exitCode: null, output: '', error };
}

async function runInTerminal(
  piece: CodePiece,
  signal: AbortSignal,
  { terminals, cwd, environment, clock, ids, emit }: TerminalCodeDependencies,
): Promise<CodeOutcome> {
  const { args: command, env: variables } = codeCommand(piece);
  const [file = '', ...args] = command;
  const id = ids.uuidV4();
  const env = { ...ownVariables(environment), ...variables };
  const { pid } = await terminals.spawnTerminal({ id, file, args, cwd, env, cols, rows });
  const data = { terminal_id: id, shell: file, args, cwd, cols, rows, pid };
  emit('runner.terminal', data).catch(() => undefined);
  const state = { isLate: false };
  const end = (): void => {
    terminals.killTerminal(id, { graceMs: terminateGraceMs }).catch(() => undefined);
  };
  const timer = clock.setTimer(codeLimitMs, () => {
    state.isLate = true;
    end();
  });
  signal.addEventListener('abort', end);
  if (signal.aborted) end();
  const output = new NewestText();
  try {
    const exit = await followToEnd(terminals, id, { onData: (bytes) => output.add(bytes) });
    const bySignal = exit.signal !== null && exit.signal !== 0;
    if (!bySignal && !state.isLate) return { exitCode: exit.exitCode, output: output.text(), error: '' };
    const error = state.isLate
      ? `It did not end within ${codeLimitMs / 1_000} s, and was ended.`
      : `It was ended by signal ${exit.signal ?? 0}.`;
    return { exitCode: null, output: output.text(), error };
  } finally {
    timer.dispose();
    signal.removeEventListener('abort', end);
  }
}

/** What the code may know: not what makes a program a worker of ours, or an editor a Node. */
export function ownVariables(environment: TerminalCodeDependencies['environment']): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (value !== undefined && !/^(?:ORCHESTRATOR_|ELECTRON_)/.test(name)) env[name] = value;
  }
  return env;
}

/** The newest text of an output, without control sequences, within the size of an event. */
class NewestText {
  private readonly plain = new PlainText();
  private kept = '';

  add(bytes: Uint8Array): void {
    this.kept = (this.kept + this.plain.push(bytes)).slice(-pieceBytes);
  }

  text(): string {
    return this.kept + this.plain.flush();
  }
}
