/** The longest line that is read, in bytes: a tool's result may hold a picture. */
const lineLimit = 16 * 1024 * 1024;

const newline = 0x0a;

/** Bytes as lines, whatever they are cut into. Holds at most one line; what is longer is left out and counted. */
export class JsonLines {
  /** Lines that were too long. */
  dropped = 0;
  private readonly limit: number;
  private parts: Buffer[] = [];
  private bytes = 0;
  private isDropping = false;

  constructor(limit = lineLimit) {
    this.limit = limit;
  }

  push(chunk: Buffer): string[] {
    const lines: string[] = [];
    let from = 0;
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, from)) {
      this.add(chunk.subarray(from, end));
      const line = this.take();
      if (line !== undefined) lines.push(line);
      from = end + 1;
    }
    this.add(chunk.subarray(from));
    return lines;
  }

  /** What stands behind the last newline; undefined where there is nothing. */
  end(): string | undefined {
    const line = this.take();
    return line === '' ? undefined : line;
  }

  private add(part: Buffer): void {
    if (this.isDropping || part.length === 0) return;
    this.bytes += part.length;
    if (this.bytes > this.limit) {
      this.parts = [];
      this.isDropping = true;
    } else {
      this.parts.push(part);
    }
  }

  private take(): string | undefined {
    const line = this.isDropping ? undefined : Buffer.concat(this.parts).toString('utf8');
    if (this.isDropping) this.dropped += 1;
    this.parts = [];
    this.bytes = 0;
    this.isDropping = false;
    return line;
  }
}
