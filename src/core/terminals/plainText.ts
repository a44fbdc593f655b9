/** The longest control sequence that is held back for its end, in UTF-16 units. */
const maxSequenceLength = 4_096;

/**
 * A terminal's bytes as text for a reader: control sequences go, and `\r\n` becomes `\n`. It is a log: nothing is
 * drawn, so a lone `\r` stays. What a child printed is shown, never obeyed; with `keepColour` the colours (SGR) stay,
 * which can do nothing else.
 */
export class PlainText {
  private readonly decoder = new TextDecoder();
  private readonly keepColour: boolean;
  private held = '';
  private hasHeldReturn = false;

  constructor(options: { readonly keepColour?: boolean } = {}) {
    this.keepColour = options.keepColour ?? false;
  }

  push(bytes: Uint8Array): string {
    const text = this.held + this.decoder.decode(bytes, { stream: true });
    const end = completeLength(text);
    this.held = text.slice(end);
    return this.plain(text.slice(0, end));
  }

  /** The output ends here; a sequence that was cut off by that is dropped. */
  flush(): string {
    const text = this.held + this.decoder.decode();
    this.held = '';
    const rest = this.plain(text.slice(0, completeLength(text)));
    const last = this.hasHeldReturn ? '\r' : '';
    this.hasHeldReturn = false;
    return rest + last;
  }

  private plain(text: string): string {
    const shown =
      (this.hasHeldReturn ? '\r' : '') +
      text.replace(controls, (sequence) => (this.keepColour && colour.test(sequence) ? sequence : ''));
    // What follows a last `\r` decides whether it stays.
    this.hasHeldReturn = shown.endsWith('\r');
    return (this.hasHeldReturn ? shown.slice(0, -1) : shown).replaceAll('\r\n', '\n');
  }
}

// CSI; strings (OSC, DCS, SOS, PM, APC) to BEL or ST; other escapes; a broken escape; C0 but tab, LF, CR; DEL and C1.
const controls =
  /\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/g;
const colour = /^\x1b\[[\d;:]*m$/;
/** An escape sequence that goes on in the next text. */
const unfinished = /\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)?$/;

function completeLength(text: string): number {
  // Only the end matters, and a regular expression anchored there would still try every place before it.
  const from = Math.max(0, text.length - maxSequenceLength);
  const match = unfinished.exec(text.slice(from));
  return match === null ? text.length : from + match.index;
}
