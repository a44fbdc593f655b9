import { OrchestratorError } from '../../base/errors.ts';

/** One server-sent event. */
export interface StreamFrame {
  readonly event: string;
  /** What its `data` lines hold, parsed where that is JSON. */
  readonly data: unknown;
  /** Of this frame, or the last one before it that had one. */
  readonly id?: string | undefined;
}

export interface FrameLimits {
  /** Characters of one line. */
  readonly maxLine: number;
  /** Characters of all data lines of one frame. */
  readonly maxFrame: number;
}

/** A result with all that a long run has printed fits well. */
export const defaultFrameLimits: FrameLimits = { maxLine: 32 * 1024 * 1024, maxFrame: 64 * 1024 * 1024 };

/**
 * Reads server-sent events as the standard has them, and those of servers that put no blank line between frames
 * (contract 004, section 1): a second `event:` line begins another frame. Once that was seen, a frame is handed over with
 * its data line, as nothing else tells that it is complete. Errors: `protocol_violation` over a limit.
 */
export class FrameParser {
  private readonly limits: FrameLimits;
  private readonly decoder = new TextDecoder();
  /** The beginnings of a line that has not ended, in pieces so that a long one costs no more than its length. */
  private pieces: string[] = [];
  private pendingLength = 0;
  /** The last piece ended with a carriage return: a line feed that comes next belongs to it. */
  private skipsLineFeed = false;
  private event: string | undefined;
  private data: string[] = [];
  private dataLength = 0;
  private id: string | undefined;
  private hasBareFrames = false;

  constructor(limits: FrameLimits = defaultFrameLimits) {
    this.limits = limits;
  }

  /** @returns the frames that are complete with these bytes. */
  push(bytes: Uint8Array): StreamFrame[] {
    return this.take(this.decoder.decode(bytes, { stream: true }));
  }

  /** The stream has ended: a frame is complete too if only the blank line after it is missing. */
  end(): StreamFrame[] {
    const frames = this.take(this.decoder.decode());
    const isWhole = this.pendingLength === 0 && this.event !== undefined && isJson(this.data.join('\n'));
    if (isWhole) this.dispatch(frames);
    return frames;
  }

  private take(text: string): StreamFrame[] {
    const frames: StreamFrame[] = [];
    let start = 0;
    if (this.skipsLineFeed && text.length > 0) {
      if (text.startsWith('\n')) start = 1;
      this.skipsLineFeed = false;
    }
    const ends = /\r\n|\r|\n/g;
    ends.lastIndex = start;
    for (let match = ends.exec(text); match !== null; match = ends.exec(text)) {
      this.line(this.finishLine(text.slice(start, match.index)), frames);
      start = ends.lastIndex;
      if (match[0] === '\r' && start === text.length) this.skipsLineFeed = true;
    }
    if (start < text.length) this.keep(text.slice(start));
    return frames;
  }

  private keep(piece: string): void {
    this.pendingLength += piece.length;
    if (this.pendingLength > this.limits.maxLine) throw tooLong('a line', this.limits.maxLine);
    this.pieces.push(piece);
  }

  private finishLine(rest: string): string {
    if (this.pendingLength === 0) return rest;
    this.keep(rest);
    const line = this.pieces.join('');
    this.pieces = [];
    this.pendingLength = 0;
    return line;
  }

  private line(line: string, frames: StreamFrame[]): void {
    if (line === '') {
      this.dispatch(frames);
      return;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    switch (field) {
      case 'event':
        if (this.event !== undefined && this.data.length > 0) {
          this.hasBareFrames = true;
          this.dispatch(frames);
        }
        this.event = value;
        break;
      case 'data':
        this.dataLength += value.length + 1;
        if (this.dataLength > this.limits.maxFrame) throw tooLong('a frame', this.limits.maxFrame);
        this.data.push(value);
        if (this.hasBareFrames && this.event !== undefined && isJson(value)) this.dispatch(frames);
        break;
      case 'id':
        if (!value.includes('\0')) this.id = value;
        break;
      default:
        break;
    }
  }

  private dispatch(frames: StreamFrame[]): void {
    const { event, data, id } = this;
    this.event = undefined;
    this.data = [];
    this.dataLength = 0;
    // As the standard has it: without data there was no event.
    if (data.length === 0) return;
    frames.push({ event: event ?? 'message', data: parsed(data.join('\n')), id });
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function tooLong(what: string, limit: number): OrchestratorError {
  return new OrchestratorError(
    'RESOURCE_EXHAUSTED',
    'protocol_violation',
    `The server sent ${what} of more than ${limit} characters.`,
  );
}
