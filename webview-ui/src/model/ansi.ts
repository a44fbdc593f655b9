/**
 * Splits terminal output into printable text, control characters and control sequences, whatever the chunks are.
 * Strings for the terminal itself (OSC, DCS and the like) are dropped: output is shown, never obeyed.
 */
export interface AnsiSink {
  print(text: string): void;
  /** One of BS, TAB, LF, CR. */
  control(code: number): void;
  /** `ESC [ parameters final`; `parameters` still holds a private prefix such as `?`. */
  sequence(final: string, parameters: string): void;
  /** `ESC c`: the program asks for a fresh terminal. */
  reset(): void;
}

type State = 'text' | 'escape' | 'escapeIntermediate' | 'sequence' | 'string' | 'stringEscape';

const special = /[\u0000-\u001f\u007f-\u009f]/g;
/** A sequence longer than this is garbage: it is swallowed, not kept. */
const maxParameters = 256;

const ESC = 0x1b;
const isAbort = (code: number): boolean => code === 0x18 || code === 0x1a;

export class AnsiParser {
  private state: State = 'text';
  private parameters = '';
  /** The first half of a surrogate pair whose second half comes with the next chunk. */
  private carry = '';
  private readonly sink: AnsiSink;

  constructor(sink: AnsiSink) {
    this.sink = sink;
  }

  write(text: string): void {
    let chunk = this.carry + text;
    this.carry = '';
    const last = chunk.charCodeAt(chunk.length - 1);
    if (last >= 0xd800 && last <= 0xdbff) {
      this.carry = chunk.slice(-1);
      chunk = chunk.slice(0, -1);
    }
    let i = 0;
    while (i < chunk.length) {
      if (this.state === 'text') {
        special.lastIndex = i;
        const at = special.exec(chunk)?.index ?? chunk.length;
        if (at > i) this.sink.print(chunk.slice(i, at));
        if (at < chunk.length) this.onControl(chunk.charCodeAt(at));
        i = at + 1;
      } else {
        this.onSequenceChar(chunk, i);
        i++;
      }
    }
  }

  private onControl(code: number): void {
    if (code === ESC) this.state = 'escape';
    else if (code === 0x9b) this.startSequence();
    else if (code === 0x90 || code === 0x98 || code >= 0x9d) this.state = 'string';
    else if (code >= 0x08 && code <= 0x0d) {
      // Vertical tab and form feed move down like a line feed.
      this.sink.control(code === 0x0b || code === 0x0c ? 0x0a : code);
    }
  }

  private startSequence(): void {
    this.state = 'sequence';
    this.parameters = '';
  }

  private onSequenceChar(chunk: string, index: number): void {
    const code = chunk.charCodeAt(index);
    if (isAbort(code)) {
      this.state = 'text';
      return;
    }
    switch (this.state) {
      case 'escape':
        this.onEscape(code);
        return;
      case 'escapeIntermediate':
        if (code === ESC) this.state = 'escape';
        else if (code >= 0x30) this.state = 'text';
        return;
      case 'sequence':
        if (code === ESC) this.state = 'escape';
        else if (code < 0x20) this.onControl(code);
        else if (code < 0x40) {
          if (this.parameters.length < maxParameters) this.parameters += chunk.charAt(index);
        } else {
          this.state = 'text';
          if (code < 0x7f && this.parameters.length < maxParameters) {
            this.sink.sequence(chunk.charAt(index), this.parameters);
          }
        }
        return;
      case 'string':
        // A line feed ends it too: a string whose end was lost must not swallow the rest of the output.
        if (code === 0x0a) {
          this.state = 'text';
          this.sink.control(code);
        } else if (code === 0x07 || code === 0x9c) this.state = 'text';
        else if (code === ESC) this.state = 'stringEscape';
        return;
      case 'stringEscape':
        if (code === 0x5c) this.state = 'text';
        else this.onEscape(code);
        return;
      case 'text':
        return;
    }
  }

  private onEscape(code: number): void {
    this.state = 'text';
    if (code === 0x5b) this.startSequence();
    else if (code === 0x5d || code === 0x50 || code === 0x58 || code === 0x5e || code === 0x5f) {
      this.state = 'string';
    } else if (code === ESC) this.state = 'escape';
    else if (code < 0x20) this.onControl(code);
    else if (code < 0x30) this.state = 'escapeIntermediate';
    else if (code === 0x63) this.sink.reset();
  }
}
