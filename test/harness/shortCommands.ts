import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';

/**
 * Short commands of all sizes, each with the hash of what it has to print. The same set runs in a benchmark, beside
 * plain node-pty, and in CI.
 */
export interface ShortCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly bytes: number;
  readonly hash: string;
}

/** How many run at once, one after the other over the whole set. */
export const shortCommandsAtOnce = [1, 2, 4, 8, 16, 32] as const;

/** Starts a program in a terminal; resolves at what it tells as the exit, whether all output came before or not. */
export type RunInTerminal = (
  file: string,
  args: readonly string[],
  onData: (data: Uint8Array) => void,
) => Promise<void>;

const maxBytes = 5_000_000;
/** Shares of all commands, up to a size each: most are small, a few are large, so that both kinds cost about the same. */
const sizes = [
  { share: 0.955, from: 1, to: 64 * 1024 },
  { share: 0.04, from: 64 * 1024, to: 1024 * 1024 },
  { share: 0.005, from: 1024 * 1024, to: maxBytes },
] as const;

/** @param textFile is written: what the commands print the start of. */
export function prepareShortCommands(textFile: string, count: number): ShortCommand[] {
  const text = printableText();
  writeFileSync(textFile, text);
  const random = createRandom(1);
  const planned = Array.from({ length: count }, () => sizeFor(random(), random()));
  const hashes = hashesOfStarts(text, planned);
  return planned.map((bytes) => ({
    file: '/usr/bin/head',
    args: ['-c', String(bytes), textFile],
    bytes,
    hash: hashes.get(bytes) ?? '',
  }));
}

/** @returns how many did not have every byte, once and in order, when their exit was told. */
export async function countIncomplete(
  commands: readonly ShortCommand[],
  atOnce: number,
  run: RunInTerminal,
): Promise<number> {
  let next = 0;
  let incomplete = 0;
  const runNext = async (): Promise<void> => {
    for (let command = commands[next++]; command !== undefined; command = commands[next++]) {
      const hash = createHash('sha256');
      await run(command.file, command.args, (data) => hash.update(data));
      if (hash.digest('hex') !== command.hash) incomplete += 1;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, runNext));
  return incomplete;
}

/** No line feeds, which a terminal turns into pairs, and no repetition that would hide a missing part. */
function printableText(): Buffer {
  const random = createRandom(2);
  const raw = Buffer.allocUnsafe(Math.ceil((maxBytes * 3) / 4));
  for (let index = 0; index < raw.length; index++) raw[index] = random() * 256;
  return Buffer.from(raw.toString('base64').slice(0, maxBytes), 'latin1');
}

/** Small sizes are as likely as large ones of the same order of magnitude: from `from` to `to` by their logarithm. */
function sizeFor(kind: number, place: number): number {
  let rest = kind;
  for (const { share, from, to } of sizes) {
    if (rest < share) return Math.round(from * (to / from) ** place);
    rest -= share;
  }
  return maxBytes;
}

function hashesOfStarts(text: Buffer, lengths: readonly number[]): Map<number, string> {
  const hashes = new Map<number, string>();
  const hash = createHash('sha256');
  let position = 0;
  for (const length of [...new Set(lengths)].sort((a, b) => a - b)) {
    hash.update(text.subarray(position, length));
    position = length;
    hashes.set(length, hash.copy().digest('hex'));
  }
  return hashes;
}

/** Mulberry32: the same numbers from 0 to 1 in every run. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
