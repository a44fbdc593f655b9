import { byteLength, cut } from '../../../base/clip.ts';
import type { AnswerPart, ModelMessage, ModelTool, ModelToolResult } from '../languageModel.ts';

/** What stays of a result that was shortened, in bytes. */
const shortBytes = 512;
/** Results of the newest answers, which the model is just working with, are shortened last. */
const freshResults = 2;

export interface Shortening {
  /** Results of tools that are shorter now. */
  readonly results: number;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

interface Entry {
  message: ModelMessage;
  bytes: number;
}

/** What was said in a run, as the model is told it again with each request. */
export class History {
  private readonly entries: Entry[] = [];
  private readonly toolBytes: number;

  constructor(tools: readonly ModelTool[]) {
    this.toolBytes = byteLength(JSON.stringify(tools));
  }

  get messages(): readonly ModelMessage[] {
    return this.entries.map(({ message }) => message);
  }

  /** About what a request with all of it weighs. */
  get bytes(): number {
    return this.entries.reduce((sum, { bytes }) => sum + bytes, this.toolBytes);
  }

  add(message: ModelMessage): void {
    this.entries.push({ message, bytes: bytesOfMessage(message) });
  }

  /** Another last message, or none. */
  replaceLast(message: ModelMessage | undefined): void {
    this.entries.pop();
    if (message !== undefined) this.add(message);
  }

  /**
   * Keeps it within the limit, as far as that is possible without leaving anything out: results of tools are
   * shortened, the oldest first. @returns undefined where nothing was done.
   */
  fit(limitBytes: number): Shortening | undefined {
    const bytesBefore = this.bytes;
    let [bytesAfter, results] = [bytesBefore, 0];
    const isTool = ({ message }: Entry): boolean => message.role === 'tool';
    const tools = this.entries.filter(isTool);
    const fresh = new Set(tools.slice(-freshResults));
    for (const entry of [...tools.filter((tool) => !fresh.has(tool)), ...fresh]) {
      if (bytesAfter <= limitBytes) break;
      const shortened = shortenResults(entry.message);
      if (shortened === undefined) continue;
      const bytes = bytesOfMessage(shortened.message);
      bytesAfter -= entry.bytes - bytes;
      results += shortened.count;
      [entry.message, entry.bytes] = [shortened.message, bytes];
    }
    return results === 0 ? undefined : { results, bytesBefore, bytesAfter };
  }
}

function shortenResults(message: ModelMessage): { message: ModelMessage; count: number } | undefined {
  if (message.role !== 'tool') return undefined;
  let count = 0;
  const results = message.results.map((result): ModelToolResult => {
    const bytes = byteLength(result.text);
    if (bytes <= shortBytes * 2) return result;
    count += 1;
    return { ...result, text: `${cut(result.text, shortBytes)}\n[… shortened: ${bytes} bytes in all]` };
  });
  return count === 0 ? undefined : { message: { role: 'tool', results }, count };
}

function bytesOfMessage(message: ModelMessage): number {
  switch (message.role) {
    case 'system':
    case 'user':
      return byteLength(message.text);
    case 'tool':
      return message.results.reduce((sum, { text }) => sum + byteLength(text), 0);
    case 'assistant':
      return message.content.reduce((sum, part) => sum + bytesOfPart(part), 0);
  }
}

function bytesOfPart(part: AnswerPart): number {
  return byteLength(part.kind === 'call' ? part.name + part.arguments : part.text);
}
