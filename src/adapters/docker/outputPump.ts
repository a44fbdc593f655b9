import type { Readable } from 'node:stream';
import { toDisposable } from '../../base/disposable.ts';
import type { EngineStream, StreamSink } from '../../core/ports/containerEngine.ts';
import { Demultiplexer, type OutputPiece } from './demultiplexer.ts';

/**
 * Gives a sink what comes from the engine, in order, and waits for it where it is slow: the connection then fills, and
 * the container with it. The end is told once, after the last byte; a sink that throws ends it with its error.
 */
export function pumpOutput(stream: Readable, isRaw: boolean, sink: StreamSink): EngineStream {
  const demultiplexer = isRaw ? undefined : new Demultiplexer();
  let isStopped = false;
  let isDraining = false;
  let ending: { readonly error: Error | undefined } | undefined;

  const end = (error?: Error): void => {
    if (isStopped) return;
    if (isDraining && error === undefined) {
      ending = { error };
      return;
    }
    isStopped = true;
    stream.destroy();
    sink.onEnd(error);
  };
  /** @returns whether all was taken; what is left is given as soon as the sink is ready. */
  const give = (pieces: readonly OutputPiece[]): boolean => {
    for (const [index, { stream: name, data }] of pieces.entries()) {
      const taken = sink.onData(name, data);
      if (taken === undefined) continue;
      isDraining = true;
      stream.pause();
      taken.then(
        () => {
          if (isStopped) return;
          isDraining = false;
          if (!take(() => give(pieces.slice(index + 1)))) return;
          if (ending !== undefined) end(ending.error);
          else stream.resume();
        },
        (error: unknown) => end(asError(error)),
      );
      return false;
    }
    return true;
  };
  const take = (action: () => boolean): boolean => {
    try {
      return action();
    } catch (error) {
      end(asError(error));
      return false;
    }
  };

  stream.on('data', (chunk: Buffer) => {
    if (isStopped) return;
    take(() => give(demultiplexer?.push(chunk) ?? [{ stream: 'stdout', data: chunk }]));
  });
  stream.on('end', () => end());
  stream.on('error', (error) => end(error));
  // A connection that breaks may close without a word.
  stream.on('close', () => end(stream.readableEnded ? undefined : new Error('The connection broke.')));
  return toDisposable(() => {
    isStopped = true;
    stream.destroy();
  });
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
