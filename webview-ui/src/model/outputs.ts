import type { HostMessage } from '../../../src/protocol/runPanel.ts';
import { formatBytes } from './format.ts';
import { LineBuffer } from './lineBuffer.ts';

export type OutputMessage = Extract<HostMessage, { type: 'output' }>;

/** Text is parsed in pieces of this size, so that the time budget is looked at often enough. */
const pieceChars = 32_768;
/** What waits beyond this would scroll out of the buffer before anyone saw it. */
const maxPendingChars = 8_000_000;

export interface StepOutput {
  readonly buffer: LineBuffer;
  /** Offset after the last byte received. */
  readonly end: number;
  /** Bytes of the step that came or were left out, to compare with its `outputBytes`. */
  readonly receivedBytes: number;
  /** Bytes that are not in the buffer: left out by the host or dropped here. */
  readonly omittedBytes: number;
}

class StepRecord implements StepOutput {
  buffer = new LineBuffer();
  end: number;
  hostOmitted: number;
  private readonly start: number;
  private readonly omittedAtStart: number;
  private bytes = 0;
  private chars = 0;

  constructor(message: OutputMessage) {
    this.start = message.from;
    this.end = message.from;
    this.omittedAtStart = message.omittedBytes;
    this.hostOmitted = message.omittedBytes;
  }

  get receivedBytes(): number {
    return this.omittedAtStart + this.end - this.start;
  }

  get omittedBytes(): number {
    // The buffer counts characters; the average width of what came makes bytes of them.
    const width = this.chars === 0 ? 1 : this.bytes / this.chars;
    return this.hostOmitted + Math.round(this.buffer.dropped * width);
  }

  count(bytes: number, chars: number): void {
    this.bytes += bytes;
    this.chars += chars;
  }
}

interface Piece {
  readonly record: StepRecord;
  readonly text: string;
  /** A remark of ours, not output. */
  readonly isNote: boolean;
}

/**
 * The output of the steps that are or were open. Messages wait in a queue that is worked off a few milliseconds a
 * frame, so a flood delays output and never the person.
 */
export class Outputs {
  private readonly records = new Map<number, StepRecord>();
  private queue: Piece[] = [];
  private pendingChars = 0;

  get(step: number): StepOutput | undefined {
    return this.records.get(step);
  }

  get hasPending(): boolean {
    return this.queue.length > 0;
  }

  entries(): Iterable<[number, StepOutput]> {
    return this.records.entries();
  }

  clear(): void {
    this.records.clear();
    this.queue = [];
    this.pendingChars = 0;
  }

  /** Takes a message in. What was already received is dropped, what is missing in between is said. */
  receive(message: OutputMessage): void {
    let record = this.records.get(message.step);
    if (record === undefined || message.isReset) {
      record = new StepRecord(message);
      this.records.set(message.step, record);
    }
    let { text } = message;
    if (message.to < record.end || (message.to === record.end && message.to > message.from)) return;
    if (message.from < record.end) text = textAfter(text, record.end - message.from);
    if (message.from > record.end) {
      record.hostOmitted = Math.max(record.hostOmitted, message.omittedBytes);
      const missing = formatBytes(message.from - record.end);
      this.queue.push({ record, text: `${missing} of output are not shown here`, isNote: true });
    }
    record.count(message.to - Math.max(message.from, record.end), text.length);
    record.end = message.to;
    this.enqueue(record, text);
  }

  private enqueue(record: StepRecord, text: string): void {
    if (text === '') return;
    for (let at = 0; at < text.length; at += pieceChars) {
      this.queue.push({ record, text: text.slice(at, at + pieceChars), isNote: false });
    }
    this.pendingChars += text.length;
    while (this.pendingChars > maxPendingChars) {
      const oldest = this.queue.shift();
      if (oldest === undefined) break;
      if (oldest.isNote) continue;
      this.pendingChars -= oldest.text.length;
      oldest.record.hostOmitted += oldest.text.length;
    }
  }

  /** Parses what waits until `isOver` says that the time is up. */
  drain(isOver: () => boolean): void {
    let done = 0;
    while (done < this.queue.length) {
      const piece = this.queue[done++];
      if (piece === undefined) break;
      if (piece.isNote) piece.record.buffer.addNote(piece.text);
      else {
        this.pendingChars -= piece.text.length;
        piece.record.buffer.write(piece.text);
      }
      if (isOver()) break;
    }
    this.queue = this.queue.slice(done);
  }
}

/** The text without its first `bytes` bytes of UTF-8. */
function textAfter(text: string, bytes: number): string {
  return new TextDecoder().decode(new TextEncoder().encode(text).subarray(bytes));
}
