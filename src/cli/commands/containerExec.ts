import { OrchestratorError } from '../../base/errors.ts';
import { invalidRequest } from '../../core/text.ts';
import type { EngineExec } from '../../core/ports/containerEngine.ts';
import { exitCode } from '../exitCodes.ts';
import type { ContainersCall } from './containersCall.ts';

/**
 * Runs a command in a container and exits with its code. With `-i` our standard input is its own; with `-t` it has a
 * terminal, of the size of ours where ours is one.
 */
export async function execInContainer(call: ContainersCall, id: string): Promise<number> {
  const { context, containers, words, flags } = call;
  const { out, err } = context;
  const [, ...command] = words;
  if (command.length === 0)
    throw invalidRequest('Say what is to be run: orchestrator containers exec ID COMMAND...');
  const tty = flags.tty === true;
  const takesInput = flags.stdin === true;
  const exec = await containers.exec(
    id,
    { command, tty, cols: out.columns, rows: out.rows, openInput: takesInput },
    {
      onData: (stream, data) => (stream === 'stderr' ? err : out).write(data),
      onEnd: () => undefined,
    },
  );
  const resizing = out.onDidResize(() => {
    const { columns, rows } = out;
    if (tty && columns !== undefined && rows !== undefined) exec.resize(columns, rows).catch(() => undefined);
  });
  const input = takesInput ? forwardInput(exec, tty) : undefined;
  // Who reads us is gone: so is the reason for the command.
  out.onDidClose(() => exec.dispose());
  try {
    return (await exec.exitCode) ?? exitCode.error;
  } catch (error) {
    if (out.isClosed) return exitCode.outputClosed;
    throw OrchestratorError.from(error);
  } finally {
    resizing.dispose();
    input?.dispose();
    exec.dispose();
  }
}

/** What is typed or piped, as fast as it is taken. */
function forwardInput(exec: EngineExec, tty: boolean): { dispose(): void } {
  const { stdin } = process;
  const isRaw = tty && stdin.isTTY;
  if (isRaw) stdin.setRawMode(true);
  const pass = async (): Promise<void> => {
    for await (const chunk of stdin as AsyncIterable<Buffer>) await exec.write(chunk);
    exec.endInput();
  };
  // It has ended, which is told by its exit code; what is still to come goes nowhere.
  pass().catch(() => undefined);
  return {
    dispose: () => {
      if (isRaw) stdin.setRawMode(false);
      stdin.destroy();
    },
  };
}
