import { join } from 'node:path';
import { OrchestratorError } from '../base/errors.ts';
import type { TerminalFollower } from '../core/ports/processHost.ts';
import { hostPaths } from '../processHost/paths.ts';
import { listSegments, readSegments, recordEnd } from '../processHost/recordFiles.ts';
import { systemCode } from '../processHost/files.ts';
import type { StateView } from './stateView.ts';

const pieceBytes = 256 * 1024;

export interface RecordSink {
  /** Bytes in order; the next ones come once this resolves. */
  onData(data: Uint8Array): Promise<void>;
  /** [from, to) is no longer in the record. */
  onDropped(from: number, to: number): void;
}

/**
 * Bytes [from, to) of a terminal's record, straight from the disk: no process is needed, and none is disturbed.
 * Error: `record_dropped` where there is no record (any more).
 */
export async function readRecord(
  stateDir: string,
  terminalId: string,
  from: number,
  to: number,
  sink: RecordSink,
): Promise<void> {
  const folder = recordFolder(stateDir, terminalId);
  for (let position = from; position < to; ) {
    const segments = segmentsOf(folder, terminalId);
    const end = Math.min(to, recordEnd(segments));
    if (position >= end) return;
    const piece = readSegments(folder, segments, position, Math.min(pieceBytes, end - position));
    const start = Math.min(piece.from, to);
    if (start > position) sink.onDropped(position, start);
    const data = piece.data.subarray(0, Math.max(0, to - start));
    if (data.length > 0) await sink.onData(data);
    if (start + data.length <= position) return;
    position = start + data.length;
  }
}

/** The record from `from` on and what is added to it, until the terminal has ended or `signal` aborts. */
export async function followRecord(
  view: StateView,
  terminalId: string,
  from: number,
  sink: RecordSink,
  signal: AbortSignal,
): Promise<void> {
  const { host, stateDir } = view;
  if (host === undefined) {
    await readRecord(stateDir, terminalId, from, Number.POSITIVE_INFINITY, sink);
    return;
  }
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  ended.catch(() => undefined);
  signal.addEventListener('abort', () => resolve());
  let writing: Promise<void> = Promise.resolve();
  const state: { follower?: TerminalFollower; usedTo: number } = { usedTo: from };
  const follower = await host.followTerminal(
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

function recordFolder(stateDir: string, terminalId: string): string {
  return join(hostPaths(stateDir).terminals, terminalId);
}

function segmentsOf(folder: string, terminalId: string): ReturnType<typeof listSegments> {
  try {
    return listSegments(folder);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
    throw new OrchestratorError(
      'NOT_FOUND',
      'record_dropped',
      `The output of terminal ${terminalId} is not kept any more.`,
      { details: { id: terminalId } },
    );
  }
}
