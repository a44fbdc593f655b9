/** Of a command's output, in bytes. */
const defaultLimitBytes = 64 * 1024;

// CSI; OSC, DCS, APC, PM and SOS strings; other escapes; then what is left of C0 without tab and LF.
const controlSequences =
  /\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]|[\x00-\x08\x0b-\x1f\x7f]/g;

/** Text of a terminal without what only a terminal understands: for a model. */
export function plainOutput(text: string): string {
  return text.replaceAll('\r\n', '\n').replaceAll(controlSequences, '');
}

/** The newest bytes of an output, however much there is of it. */
export class OutputTail {
  private readonly limit: number;
  private readonly chunks: Uint8Array[] = [];
  private size = 0;
  private total = 0;

  constructor(limitBytes: number = defaultLimitBytes) {
    this.limit = limitBytes;
  }

  add(data: Uint8Array): void {
    // The bytes may be the sender's own buffer.
    this.chunks.push(data.slice(-this.limit));
    this.size += Math.min(data.length, this.limit);
    this.total += data.length;
    for (let first = this.chunks[0]; first && this.size - first.length >= this.limit; [first] = this.chunks) {
      this.size -= first.length;
      this.chunks.shift();
    }
  }

  /** Plain text, which says where it is cut. */
  text(): string {
    const bytes = new Uint8Array(this.size);
    let at = 0;
    for (const chunk of this.chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    const text = new TextDecoder().decode(bytes.subarray(-this.limit));
    if (this.total <= this.limit) return plainOutput(text);
    return `[the last ${this.limit} of ${this.total} bytes]\n${plainOutput(text.replace(/^\uFFFD+/, ''))}`;
  }
}
