/** Whether bytes that come piece by piece are UTF-8 (RFC 3629); says no at the first byte that cannot be. */
export class Utf8Check {
  /** Bytes that the character under way still needs. */
  private missing = 0;
  /** What the next of them may be: the second byte of some characters has narrower bounds than the others. */
  private low = 0x80;
  private high = 0xbf;

  /** Whether the text could end here. */
  get isComplete(): boolean {
    return this.missing === 0;
  }

  reset(): void {
    this.missing = 0;
    this.low = 0x80;
    this.high = 0xbf;
  }

  /** @returns false once they are not, after which nothing more may be asked before `reset`. */
  push(bytes: Uint8Array): boolean {
    for (const byte of bytes) {
      if (this.missing === 0) {
        if (byte < 0x80) continue;
        if (!this.begin(byte)) return false;
      } else {
        if (byte < this.low || byte > this.high) return false;
        this.missing -= 1;
        this.low = 0x80;
        this.high = 0xbf;
      }
    }
    return true;
  }

  /** RFC 3629, section 4: no overlong forms, no surrogates, nothing above U+10FFFF. */
  private begin(byte: number): boolean {
    if (byte < 0xc2 || byte > 0xf4) return false;
    this.missing = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    if (byte === 0xe0) this.low = 0xa0;
    else if (byte === 0xed) this.high = 0x9f;
    else if (byte === 0xf0) this.low = 0x90;
    else if (byte === 0xf4) this.high = 0x8f;
    return true;
  }
}
