import type { HostMessage } from '../../protocol/runPanel.ts';
import type { OutputPiece, OutputSource } from './outputSource.ts';

type OutputMessage = Extract<HostMessage, { type: 'output' }>;

export interface StepOutputStreamOptions {
  readonly step: number;
  readonly read: (source: OutputSource, from: number, to: number) => Promise<OutputPiece>;
  /** Settles when the panel has taken the message; false when it is not there to take it. */
  readonly post: (message: OutputMessage) => Promise<boolean>;
}

/** The panel shows at most so much of a step; the whole of it opens as a document. */
export const shownBytes = 1024 * 1024;
const partBytes = 64 * 1024;

/**
 * Sends one open step's output to the panel: the last MiB first, then what comes, each part after the panel has taken
 * the one before. It holds no more than one part, however fast the step prints.
 */
export class StepOutputStream {
  private readonly options: StepOutputStreamOptions;
  private readonly decoder = new TextDecoder('utf-8');
  private target: OutputSource | undefined;
  private isFinal = false;
  private isEnded = false;
  private isStopped = false;
  /** Next offset to be read; undefined before the first part. */
  private position: number | undefined;
  private omittedBytes = 0;
  private mustReset = true;
  private sending: Promise<void> = Promise.resolve();
  private isSending = false;
  private updates = 0;

  constructor(options: StepOutputStreamOptions) {
    this.options = options;
  }

  /** The step's output reaches so far now; `isFinal` when nothing more will come. */
  update(output: OutputSource | undefined, isFinal: boolean): void {
    if (output === undefined) return;
    this.target = output;
    this.isFinal = isFinal;
    this.updates += 1;
    if (!this.isSending) this.sending = this.send();
  }

  /** Settles when everything known so far was sent. Fails when the record could not be read. */
  async settled(): Promise<void> {
    await this.sending;
  }

  stop(): void {
    this.isStopped = true;
  }

  /** Read through a method, because `stop` may come during any await. */
  private hasStopped(): boolean {
    return this.isStopped;
  }

  private async send(): Promise<void> {
    this.isSending = true;
    try {
      for (let seen = -1; seen !== this.updates; ) {
        seen = this.updates;
        await this.sendAll();
      }
    } finally {
      // In the same turn as the last look, so that no update comes unseen between the two.
      this.isSending = false;
    }
  }

  private async sendAll(): Promise<void> {
    for (;;) {
      const target = this.target;
      if (target === undefined || this.isStopped) return;
      this.position ??= this.startOf(target);
      if (this.position >= target.to) {
        if (this.isFinal && !this.isEnded) await this.sendRest(target);
        return;
      }
      const to = Math.min(target.to, this.position + partBytes);
      const { from, data } = await this.options.read(target, this.position, to);
      if (this.hasStopped()) return;
      if (from > this.position) this.skip(target, from);
      // The record has dropped everything that was asked for, and perhaps more.
      if (data.byteLength === 0) {
        this.position = Math.max(from, to);
        continue;
      }
      const skipped = this.mustReset && from > target.from ? leadingContinuation(data) : 0;
      const text = this.decoder.decode(data.subarray(skipped), { stream: true });
      this.omittedBytes += skipped;
      this.position = from + data.byteLength;
      if (!(await this.post(from + skipped, this.position, text))) return;
    }
  }

  /** What a step prints last may be half a character. */
  private async sendRest(target: OutputSource): Promise<void> {
    this.isEnded = true;
    const rest = this.decoder.decode();
    // Without any output there is still something to say: the step has none, or none that is kept.
    if (rest !== '' || this.mustReset) await this.post(target.to, target.to, rest);
  }

  private startOf(target: OutputSource): number {
    const start = Math.max(target.from, target.to - shownBytes);
    this.omittedBytes = start - target.from;
    return start;
  }

  /** [position, from) is no longer kept: what comes does not join what is shown, so the panel starts afresh. */
  private skip(target: OutputSource, from: number): void {
    this.omittedBytes = from - target.from;
    this.mustReset = true;
    this.decoder.decode();
  }

  private async post(from: number, to: number, text: string): Promise<boolean> {
    const isReset = this.mustReset;
    this.mustReset = false;
    return await this.options.post({
      type: 'output',
      step: this.options.step,
      from,
      to,
      text,
      isReset,
      omittedBytes: this.omittedBytes,
    });
  }
}

/** Bytes at the start that belong to a character which began before: at most three. */
function leadingContinuation(data: Uint8Array): number {
  let count = 0;
  while (count < 3 && count < data.byteLength && ((data[count] ?? 0) & 0xc0) === 0x80) count += 1;
  return count;
}
