import { OrchestratorError } from '../../base/errors.ts';
import type { ProcessHost, TerminalExit, TerminalFollower } from '../../core/ports/processHost.ts';

export interface OutputReader {
  onData(data: Uint8Array, offset: number): void;
  onGap?(from: number, to: number): void;
}

/**
 * Reads a terminal's output from its first byte to its end, never slowing the program down.
 * @returns its exit, once every byte was read.
 * @throws OrchestratorError `process_host_lost`, and whatever `reader` throws.
 */
export async function followToEnd(
  terminals: Pick<ProcessHost, 'followTerminal'>,
  terminalId: string,
  reader: OutputReader,
): Promise<TerminalExit> {
  const { promise, resolve, reject } = Promise.withResolvers<TerminalExit>();
  // Handled below; without this a rejection before that would count as unhandled.
  promise.catch(() => undefined);
  const state: { follower?: TerminalFollower; usedTo: number } = { usedTo: 0 };
  const follower = await terminals.followTerminal(
    terminalId,
    { from: 0 },
    {
      onData(data, offset) {
        try {
          reader.onData(data, offset);
        } catch (error) {
          reject(OrchestratorError.from(error));
        }
        state.usedTo = offset + data.length;
        state.follower?.ack(state.usedTo);
      },
      onGap(from, to) {
        reader.onGap?.(from, to);
      },
      onEnd: resolve,
      onLost: (error) => reject(OrchestratorError.fromShape(error)),
    },
  );
  state.follower = follower;
  try {
    // Bytes may have come before the follower itself did.
    if (state.usedTo > 0) follower.ack(state.usedTo);
    return await promise;
  } finally {
    follower.dispose();
  }
}
