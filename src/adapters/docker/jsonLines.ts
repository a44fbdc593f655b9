import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { type Disposable, toDisposable } from '../../base/disposable.ts';

/** What the engine tells bit by bit comes as a line of JSON each. */

/** Takes chunks that are cut anywhere, also within a character, and gives the values of the lines that are whole. */
export class JsonLines {
  private readonly decoder = new StringDecoder('utf8');
  private rest = '';

  /** Error: `SyntaxError` where the engine sent something else. */
  push(chunk: Buffer): unknown[] {
    const lines = (this.rest + this.decoder.write(chunk)).split('\n');
    this.rest = lines.pop() ?? '';
    return lines.filter((line) => line.trim() !== '').map((line): unknown => JSON.parse(line));
  }

  /** The last line may lack its end. */
  end(): unknown[] {
    return this.push(Buffer.from('\n'));
  }
}

/** Calls `onEnd` once, unless it was disposed before; with the error where the stream broke or is not understood. */
export function eachJsonLine(
  stream: Readable,
  onLine: (line: unknown) => void,
  onEnd: (error?: Error) => void = () => undefined,
): Disposable {
  const lines = new JsonLines();
  let isStopped = false;
  const end = (error?: Error): void => {
    if (isStopped) return;
    isStopped = true;
    stream.destroy();
    onEnd(error);
  };
  stream.on('data', (chunk: Buffer) => {
    try {
      for (const line of lines.push(chunk)) if (!isStopped) onLine(line);
    } catch (error) {
      end(error instanceof Error ? error : new Error(String(error)));
    }
  });
  stream.on('end', () => end());
  stream.on('error', (error) => end(error));
  stream.on('close', () => end());
  return toDisposable(() => {
    isStopped = true;
    stream.destroy();
  });
}
