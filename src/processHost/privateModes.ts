/**
 * Which private modes (`ESC [ ? … h` and `… l`) and keypad modes a stretch of output leaves set. It is kept of what a
 * bounded record drops, so that a screen drawn from the rest still knows of the mouse, the alternate screen and the like.
 */
export class PrivateModes {
  private readonly modes = new Map<number, boolean>();
  private isKeypadApplication: boolean | undefined;
  private hasMargins = false;
  private isCharsetOther = false;
  /** Start of a sequence that the bytes so far did not finish. */
  private carry = '';

  static parse(preamble: string): PrivateModes {
    const modes = new PrivateModes();
    modes.fold(Buffer.from(preamble, 'latin1'));
    return modes;
  }

  /** `bytes` follow directly on those of the call before. */
  fold(bytes: Buffer): void {
    const text = this.carry + bytes.toString('latin1');
    const pattern = /\x1b(?:\[\?([\d;]*)([hl])|([=>])|(c)|(\[!p)|\[([\d;]*)r|\(([0-9A-Z]))/g;
    for (const [, numbers, action, keypad, reset, softReset, margins, charset] of text.matchAll(pattern)) {
      if (numbers !== undefined) {
        for (const number of numbers.split(';'))
          if (number !== '') this.modes.set(Number(number), action === 'h');
      } else if (keypad !== undefined) this.isKeypadApplication = keypad === '=';
      else if (reset !== undefined) this.clear();
      else if (softReset !== undefined) {
        for (const mode of [1, 6, 25]) this.modes.delete(mode);
        this.isKeypadApplication = undefined;
        this.hasMargins = this.isCharsetOther = false;
      } else if (margins !== undefined) this.hasMargins = margins !== '' && margins !== ';';
      else this.isCharsetOther = charset !== 'B';
    }
    const tail = text.slice(-maxSequence);
    const lastEscape = tail.lastIndexOf('\x1b');
    const rest = lastEscape < 0 ? '' : tail.slice(lastEscape);
    this.carry = unfinished.test(rest) ? rest : '';
  }

  /** Sequences that set the same modes in a fresh terminal. */
  get preamble(): string {
    let text =
      this.isKeypadApplication === true ? '\x1b=' : this.isKeypadApplication === false ? '\x1b>' : '';
    for (const [mode, isSet] of this.modes) text += `\x1b[?${mode}${isSet ? 'h' : 'l'}`;
    return text;
  }

  /**
   * Whether the preamble tells all that matters: on an alternate screen, between margins or in a charset for drawing,
   * what comes next builds on more than modes.
   */
  get isPlain(): boolean {
    const isAlternate = alternateScreenModes.some((mode) => this.modes.get(mode) === true);
    return !isAlternate && !this.hasMargins && !this.isCharsetOther && this.carry === '';
  }

  private clear(): void {
    this.modes.clear();
    this.isKeypadApplication = undefined;
    this.hasMargins = this.isCharsetOther = false;
  }
}

const alternateScreenModes = [47, 1047, 1049];
const maxSequence = 64;
const unfinished = /^\x1b(?:\[(?:\??[\d;]*|!)|\()?$/;
