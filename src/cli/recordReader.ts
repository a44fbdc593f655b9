import { OrchestratorError } from '../base/errors.ts';
import type { OrchestratorAccess } from '../core/orchestratorAccess.ts';
import type { TerminalFollower } from '../core/ports/processHost.ts';

export interface RecordSink {
  /** Bytes in order; the next ones come once this resolves. */
  onData(data: Uint8Array): Promise<void>;
  /** [from, to) is no longer in the record. */
  onDropped(from: number, to: number): void;
}

/** Bytes [from, to) of a terminal's record. Error: `record_dropped` where there is no record (any more). */
export async function readRecord(
  access: OrchestratorAccess,
  terminalId: string,
  from: number,
  to: number,
  sink: RecordSink,
): Promise<void> {
  for (let position = from; position < to; ) {
    const { from: found, data } = await access.readTerminal(terminalId, position, to);
    const start = Math.min(found, to);
    if (start > position) sink.onDropped(position, start);
    if (data.length > 0) await sink.onData(data);
    if (start + data.length <= position) return;
    position = start + data.length;
  }
}

/** The record from `from` on and what is added to it, until the terminal has ended or `signal` aborts. */
export async function followRecord(
  access: OrchestratorAccess,
  terminalId: string,
  from: number,
  sink: RecordSink,
  signal: AbortSignal,
): Promise<void> {
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  ended.catch(() => undefined);
  signal.addEventListener('abort', () => resolve());
  let writing: Promise<void> = Promise.resolve();
  const state: { follower?: TerminalFollower; usedTo: number } = { usedTo: from };
  const follower = await access.followTerminal(
    terminalId,
    { from },
    {
      onData: (data, offset) => {
        writing = writing.then(async () => {
          await sink.onData(data);
          state.usedTo = offset + data.length;
          state.follower?.ack(state.usedTo);
        });
        writing.catch(reject);
      },
      onGap: (gapFrom, gapTo) => sink.onDropped(gapFrom, gapTo),
      onEnd: () => resolve(),
      onLost: (error) => reject(OrchestratorError.fromShape(error)),
    },
  );
  state.follower = follower;
  follower.ack(state.usedTo);
  try {
    await ended;
    await writing;
  } finally {
    follower.dispose();
  }
}
