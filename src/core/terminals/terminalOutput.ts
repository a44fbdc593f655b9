import type { Clock } from '../../base/clock.ts';
import { type Disposable, toDisposable } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { TerminalFollower } from '../ports/processHost.ts';
import { checkInteger } from '../text.ts';
import { LastLines } from './lastLines.ts';
import {
  finder,
  lastDrawing,
  LineSearch,
  matchLimit,
  type OutputMatch,
  type PatternMatch,
  windowLength,
} from './lineSearch.ts';
import { PlainText } from './plainText.ts';
import type { PtyManager } from './ptyManager.ts';

/** What is kept of a terminal's output, as text. */
export interface OutputText {
  /** Offset of the first byte of `text`: greater than asked where the record has dropped the older part. */
  readonly from: number;
  /** Offset after its last byte: where to go on reading. */
  readonly to: number;
  readonly text: string;
}

export interface WaitForPatternOptions {
  /** Milliseconds, 1 to 86,400,000; default 30,000. */
  readonly timeoutMs?: number;
  /**
   * Where to look from; default: what is printed after the call. A terminal echoes what is typed: who looks for READY
   * after typing `echo READY` finds the typed line. Look for what only the result has, or use `waitForCompletion`.
   */
  readonly from?: number;
  readonly signal?: AbortSignal;
}

const pieceBytes = 256 * 1024;
const defaultTimeoutMs = 30_000;
/** Beyond every record: reading there tells only where it ends. */
const beyond = Number.MAX_SAFE_INTEGER;

/** Reads terminals' output from their records: history for who comes late, and waiting for what comes. */
export class TerminalOutput {
  private readonly terminals: PtyManager;
  private readonly clock: Clock;

  constructor(terminals: PtyManager, clock: Clock) {
    this.terminals = terminals;
    this.clock = clock;
  }

  /** Offset after the last byte that was printed so far. Error: `terminal_not_found`. */
  async end(id: string): Promise<number> {
    return (await this.terminals.read(id, beyond, beyond)).end;
  }

  /**
   * The output [from, to) as text, control sequences included; what the terminal prints meanwhile is left out. A
   * character that `from` or `to` cuts comes as U+FFFD. Errors: `terminal_not_found`, `invalid_request`.
   */
  async read(id: string, from = 0, to = beyond): Promise<OutputText> {
    checkOffset(from, 'from');
    checkOffset(to, 'to');
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    const parts: string[] = [];
    const span = await this.pieces(id, from, to, (data) =>
      parts.push(decoder.decode(data, { stream: true })),
    );
    parts.push(decoder.decode());
    return { ...span, text: parts.join('') };
  }

  /** The last lines (1 to 100,000) without control sequences. */
  async lastLines(id: string, count: number): Promise<string[]> {
    checkInteger(count, 1, 100_000, 'The number of lines');
    const plain = new PlainText();
    const tail = new LastLines(count);
    await this.pieces(id, 0, beyond, (data) => tail.push(plain.push(data)));
    tail.push(plain.flush());
    const text = tail.toString();
    return text === '' ? [] : text.replace(/\n$/, '').split('\n').map(lastDrawing);
  }

  /**
   * Lines that contain the text or match the expression, oldest first, without control sequences. Lines longer than
   * 65,536 characters are looked at in parts. At most `limit` (1 to 1,000, the default); the newest are kept.
   */
  async search(id: string, pattern: string | RegExp, limit = matchLimit): Promise<OutputMatch[]> {
    checkInteger(limit, 1, matchLimit, 'The number of matches');
    const plain = new PlainText();
    const search = new LineSearch(pattern, limit);
    await this.pieces(id, 0, beyond, (data) => search.push(plain.push(data)));
    search.push(plain.flush());
    return search.end();
  }

  /**
   * Resolves when the output has the text or matches the expression, control sequences left out, wherever the pieces
   * of the output are cut; a match spans at most 65,536 characters. Errors: `output_timeout`, `aborted`,
   * `terminal_ended` when it ends without, `terminal_not_found`, `process_host_lost`.
   */
  async waitForPattern(
    id: string,
    pattern: string | RegExp,
    options: WaitForPatternOptions = {},
  ): Promise<PatternMatch> {
    const { timeoutMs = defaultTimeoutMs, signal } = options;
    checkInteger(timeoutMs, 1, 86_400_000, 'The time to wait, in milliseconds,');
    const find = finder(pattern);
    const plain = new PlainText();
    const { promise, resolve, reject } = Promise.withResolvers<PatternMatch>();
    // It may fail before anybody waits for it, while the reader is being attached.
    promise.catch(() => undefined);
    let text = '';
    const look = (more: string): void => {
      text += more;
      const found = find(text);
      if (found !== undefined) resolve(found);
      else if (text.length > windowLength) text = text.slice(-windowLength);
    };
    const onAbort = (): void =>
      reject(new OrchestratorError('CANCELLED', 'aborted', 'The wait was given up.'));
    if (signal?.aborted === true) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    const timer = this.clock.setTimer(timeoutMs, () => reject(timeoutError(timeoutMs)));
    let reader: Disposable | undefined;
    try {
      reader = await this.follow(id, options.from ?? (await this.end(id)), {
        onData: (data) => look(plain.push(data)),
        onEnd: () => {
          look(plain.flush());
          reject(
            new OrchestratorError(
              'FAILED_PRECONDITION',
              'terminal_ended',
              'The program in the terminal ended, and its output does not have what was waited for.',
            ),
          );
        },
        onLost: reject,
      });
      return await promise;
    } finally {
      reader?.dispose();
      timer.dispose();
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Every byte from `from` on, until the answer is disposed. A slow sink never slows the program down. */
  async follow(
    id: string,
    from: number,
    sink: {
      readonly onData: (data: Uint8Array, offset: number) => void;
      readonly onGap?: (from: number, to: number) => void;
      readonly onEnd?: () => void;
      readonly onLost?: (error: OrchestratorError) => void;
    },
  ): Promise<Disposable> {
    checkOffset(from, 'from');
    let isStopped = false;
    let usedTo = from;
    // Bytes may come before the follower is known.
    const attached: { follower?: TerminalFollower } = {};
    const follower = await this.terminals.follow(
      id,
      { from },
      {
        onData: (data, offset) => {
          if (isStopped) return;
          sink.onData(data, offset);
          usedTo = offset + data.length;
          attached.follower?.ack(usedTo);
        },
        onGap: (gapFrom, gapTo) => {
          if (!isStopped) sink.onGap?.(gapFrom, gapTo);
        },
        onEnd: () => {
          if (!isStopped) sink.onEnd?.();
        },
        onLost: (error) => {
          if (!isStopped) sink.onLost?.(OrchestratorError.fromShape(error));
        },
      },
    );
    attached.follower = follower;
    follower.ack(usedTo);
    return toDisposable(() => {
      isStopped = true;
      follower.dispose();
    });
  }

  /** [from, to) as far as it is printed now, in order; across what the record drops meanwhile. */
  private async pieces(
    id: string,
    from: number,
    to: number,
    use: (data: Uint8Array) => void,
  ): Promise<{ readonly from: number; readonly to: number }> {
    const end = Math.min(to, await this.end(id));
    let start: number | undefined;
    let position = from;
    while (position < end) {
      const piece = await this.terminals.read(id, position, Math.min(end, position + pieceBytes));
      start ??= piece.from;
      if (piece.data.length === 0 && piece.from <= position) break;
      use(piece.data);
      position = piece.from + piece.data.length;
    }
    return { from: start ?? Math.min(from, end), to: Math.max(position, Math.min(from, end)) };
  }
}

function checkOffset(value: number, what: string): void {
  checkInteger(value, 0, beyond, `The offset "${what}"`);
}

function timeoutError(timeoutMs: number): OrchestratorError {
  return new OrchestratorError(
    'DEADLINE_EXCEEDED',
    'output_timeout',
    `Timeout waiting for output: it did not come within ${timeoutMs} ms.`,
  );
}
