const carriageReturn = 0x0d;
const lineFeed = 0x0a;
const nothing = Buffer.alloc(0);

/**
 * Undoes what a terminal does to output (ONLCR): each `\r\n` becomes `\n` again, across the borders of chunks, and
 * nothing else changes. A program's own `\r\n` stands in the terminal as `\r\r\n` and so comes out as it was written.
 */
export class OnlcrUndo {
  private hasHeldReturn = false;

  push(chunk: Uint8Array): Buffer {
    const bytes = this.hasHeldReturn ? Buffer.concat([Buffer.of(carriageReturn), chunk]) : Buffer.from(chunk);
    // What follows a last `\r` decides whether it stays.
    this.hasHeldReturn = bytes.at(-1) === carriageReturn;
    const end = this.hasHeldReturn ? bytes.length - 1 : bytes.length;

    // Byte by byte: lines are short, and a search per line costs more than this.
    let written = 0;
    for (let index = 0; index < end; index++) {
      const byte = bytes[index] ?? 0;
      if (byte === carriageReturn && bytes[index + 1] === lineFeed) continue;
      bytes[written++] = byte;
    }
    return bytes.subarray(0, written);
  }

  /** The output ends here. @returns what was held back. */
  flush(): Buffer {
    const held = this.hasHeldReturn ? Buffer.of(carriageReturn) : nothing;
    this.hasHeldReturn = false;
    return held;
  }
}
