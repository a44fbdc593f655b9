/**
 * Finds where a stream of terminal output may be cut so that neither half of a character nor half of a control sequence
 * is left on either side. A follower may start at such an offset with a fresh terminal.
 */

/** Longer sequences (images, mostly) are cut: a screen must not stand still until one ends, if it ever does. */
const maxSequenceBytes = 64 * 1024;

type State = 'ground' | 'escape' | 'csi' | 'string' | 'stringEscape';

export class SequenceBoundary {
  private state: State = 'ground';
  /** Continuation bytes that the character at hand still needs. */
  private needed = 0;
  /** Bytes since the last boundary. */
  private open = 0;

  /** @returns how many of `bytes`, which follow on those of the call before, lie before the last boundary; or 0. */
  feed(bytes: Uint8Array): number {
    let boundary = 0;
    for (let index = 0; index < bytes.length; index++) {
      this.step(bytes[index] ?? 0);
      if ((this.state === 'ground' && this.needed === 0) || ++this.open > maxSequenceBytes) {
        this.open = 0;
        boundary = index + 1;
      }
    }
    return boundary;
  }

  private step(byte: number): void {
    if (this.state === 'ground') {
      if (byte < 0x80) {
        this.needed = 0;
        if (byte === 0x1b) this.state = 'escape';
      } else if (byte < 0xc0) {
        this.needed = Math.max(0, this.needed - 1);
      } else {
        this.needed = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : 1;
      }
      return;
    }
    // CAN and SUB abort any sequence; ESC begins another one, or ends a string together with what follows.
    if (byte === 0x18 || byte === 0x1a) this.state = 'ground';
    else if (byte === 0x1b) this.state = this.state === 'string' ? 'stringEscape' : 'escape';
    else if (this.state === 'escape' || this.state === 'stringEscape') this.afterEscape(byte);
    else if (this.state === 'csi') {
      if (byte >= 0x40 && byte <= 0x7e) this.state = 'ground';
    } else if (byte === 0x07) this.state = 'ground';
  }

  private afterEscape(byte: number): void {
    if (byte === 0x5b) this.state = 'csi';
    // DCS, SOS, OSC, PM, APC
    else if (byte === 0x50 || byte === 0x58 || byte === 0x5d || byte === 0x5e || byte === 0x5f)
      this.state = 'string';
    // Intermediates such as ( of a charset; controls are obeyed within a sequence.
    else if (byte >= 0x30) this.state = 'ground';
    else this.state = 'escape';
  }
}
