import { joinBytes } from '../../../base/bytes.ts';
import { fitHead, fitTail } from '../plainOutput.ts';
import type { ToolContext } from '../tool.ts';

export interface TerminalReading {
  readonly text: string;
  /** Offset of the first byte of the text … */
  readonly from: number;
  /** … and after its last. */
  readonly to: number;
  /** Of everything that was printed so far. */
  readonly end: number;
}

/** Beyond every record: reading there tells only where it ends. */
const beyond = Number.MAX_SAFE_INTEGER;
const newLine = 0x0a;

/** Offset after the last byte that was printed so far. */
export async function endOfOutput(id: string, { orchestrator }: ToolContext): Promise<number> {
  return (await orchestrator.readTerminal(id, beyond, beyond)).end;
}

/** From an offset on, as much as one result holds. What the record has dropped is skipped. */
export async function readFrom(id: string, from: number, call: ToolContext): Promise<TerminalReading> {
  const { data, start, end } = await bytes(id, from, from + call.limits.textBytes, call);
  const { text, taken } = fitHead(data, call.limits.textBytes);
  return { text, from: start, to: start + taken, end };
}

/** The last lines, as many of them as one result holds. */
export async function readLastLines(id: string, lines: number, call: ToolContext): Promise<TerminalReading> {
  const { textBytes } = call.limits;
  const known = await endOfOutput(id, call);
  const { data, start, end } = await bytes(id, Math.max(0, known - textBytes), known, call);
  const { text, taken } = fitTail(data.subarray(lastLinesStart(data, lines)), textBytes);
  const to = start + data.length;
  return { text, from: to - taken, to, end };
}

/** [from, to), as far as it is there; the core may answer in pieces. */
async function bytes(
  id: string,
  from: number,
  to: number,
  { orchestrator }: ToolContext,
): Promise<{ readonly data: Uint8Array; readonly start: number; readonly end: number }> {
  const parts: Uint8Array[] = [];
  let start: number | undefined;
  let end = from;
  let last = 0;
  for (let position = from; position < to; position = end) {
    const piece = await orchestrator.readTerminal(id, position, to);
    last = piece.end;
    if (piece.data.length === 0) break;
    // What the record has dropped meanwhile would leave a hole.
    if (start !== undefined && piece.from !== position) break;
    start ??= piece.from;
    parts.push(piece.data);
    end = piece.from + piece.data.length;
  }
  return { data: joinBytes(parts), start: start ?? Math.min(from, last), end: Math.max(last, end) };
}

function lastLinesStart(data: Uint8Array, lines: number): number {
  // The end of the last line does not begin another one.
  let end = data.at(-1) === newLine ? data.length - 1 : data.length;
  for (let found = 0; found < lines; found += 1) {
    const line = end === 0 ? -1 : data.lastIndexOf(newLine, end - 1);
    if (line === -1) return 0;
    end = line;
  }
  return end + 1;
}
