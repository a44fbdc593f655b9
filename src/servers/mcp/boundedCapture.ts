import { joinBytes } from '../../base/bytes.ts';
import { fitEnds } from './plainOutput.ts';

/** Keeps the beginning and the end of what a program prints, however much that is. */
export class BoundedCapture {
  private readonly limit: number;
  private readonly head: Uint8Array[] = [];
  private headBytes = 0;
  private tail: Uint8Array[] = [];
  private tailBytes = 0;
  private total = 0;

  /** @param limit bytes of each of the two that are kept; and of the text, as JSON has it. */
  constructor(limit: number) {
    this.limit = limit;
  }

  push(data: Uint8Array): void {
    this.total += data.length;
    const toHead = data.subarray(0, this.limit - this.headBytes);
    if (toHead.length > 0) {
      this.head.push(toHead.slice());
      this.headBytes += toHead.length;
    }
    const rest = data.subarray(toHead.length);
    if (rest.length === 0) return;
    this.tail.push(rest.slice());
    this.tailBytes += rest.length;
    // Joined once in a while, so that neither many small pieces nor much copying cost anything.
    if (this.tailBytes > 4 * this.limit || this.tail.length > 4_096) {
      const kept = joinBytes(this.tail).slice(-this.limit);
      this.tail = [kept];
      this.tailBytes = kept.length;
    }
  }

  text(): { readonly text: string; readonly omittedBytes: number } {
    return fitEnds(joinBytes([...this.head, ...this.tail]), this.total, this.limit);
  }
}
