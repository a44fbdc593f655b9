import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OrchestratorError } from '../../../base/errors.ts';
import { carryBefore, type OutputPlaces, piecesOf, readPieces } from './outputText.ts';
import { chunkBytes, type OutputRange } from './runFold.ts';

/** Where nothing before `dropped` is kept any more. */
function recordOf(bytes: Uint8Array, dropped = 0): OutputPlaces {
  return {
    terminals: {
      read: (_id, from, to) => {
        const begin = Math.max(from, dropped);
        return Promise.resolve({ from: begin, data: bytes.subarray(begin, to), end: bytes.length });
      },
    },
    tasks: {
      readOutput: (_id, from) =>
        from >= bytes.length
          ? []
          : [
              {
                offset: Math.max(from, dropped),
                stream: 'stdout',
                data: bytes.subarray(Math.max(from, dropped), Math.max(from, dropped) + 5),
              },
            ],
    },
    containers: {
      output: {
        async *follow(_id, { from = 0 } = {}) {
          for (let at = Math.max(from, dropped); at < bytes.length; at += 7) {
            const data = bytes.subarray(at, at + 7);
            yield await Promise.resolve({ offset: at, time: 0, stream: 'stdout', data } as const);
          }
        },
      },
    },
  };
}

/** The texts of a step that was reported in pieces that end at `borders`. */
async function textsOf(
  places: OutputPlaces,
  place: OutputRange['place'],
  borders: readonly number[],
): Promise<{ readonly text: string; readonly droppedBytes: number }[]> {
  const start = borders[0] ?? 0;
  const texts: { readonly text: string; readonly droppedBytes: number }[] = [];
  for (const [index, to] of borders.entries()) {
    if (index === 0) continue;
    const isLast = index === borders.length - 1;
    const range: OutputRange = { place, step: 1, start, from: borders[index - 1] ?? 0, to, isLast };
    for (const piece of piecesOf(range)) texts.push(...(await readPieces(places, [piece])));
  }
  return texts;
}

const output = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'grapheme' }).map((text) => new TextEncoder().encode(text)),
      fc.uint8Array({ maxLength: 6 }),
    ),
  )
  .map((parts) => Uint8Array.from(parts.flatMap((part) => [...part])));

describe('the text of a step', () => {
  it.each([{ terminalId: 't' }, { taskId: 't' }, { containerId: 't' }])(
    'is the same wherever its reports end: %j',
    async (place) => {
      await fc.assert(
        fc.asyncProperty(output, fc.array(fc.nat(200)), async (bytes, cuts) => {
          const inner = cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b);
          const texts = await textsOf(recordOf(bytes), place, [0, ...inner, bytes.length]);
          const whole = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
          expect(texts.map(({ text }) => text).join('')).toBe(whole);
          expect(texts.every(({ droppedBytes }) => droppedBytes === 0)).toBe(true);
        }),
      );
    },
  );

  it('ends before a character that is cut, and begins with it', async () => {
    const bytes = new TextEncoder().encode('a€b');
    const texts = await textsOf(recordOf(bytes), { terminalId: 't' }, [0, 2, 3, 5]);
    expect(texts.map(({ text }) => text)).toEqual(['a', '', '€b']);
  });

  it('is read a group at a time, with what is no longer kept counted', async () => {
    const bytes = new TextEncoder().encode('x'.repeat(3 * chunkBytes));
    const range = { place: { terminalId: 't' }, step: 1, start: 0, from: 0, to: bytes.length, isLast: true };
    const pieces = piecesOf(range);
    expect(pieces.map(({ from, to }) => to - from)).toEqual([chunkBytes, chunkBytes, chunkBytes]);
    const texts = await readPieces(recordOf(bytes, chunkBytes + 10), pieces);
    expect(texts.map(({ text, droppedBytes }) => [text.length, droppedBytes])).toEqual([
      [0, chunkBytes],
      [chunkBytes - 10, 10],
      [chunkBytes, 0],
    ]);
  });

  it('is dropped as a whole with its terminal, and any other failure is one', async () => {
    const range = { place: { terminalId: 't' }, step: 1, start: 0, from: 0, to: 7, isLast: true };
    const failing = (reason: 'terminal_not_found' | 'process_host_lost'): OutputPlaces => ({
      ...recordOf(new Uint8Array()),
      terminals: { read: () => Promise.reject(new OrchestratorError('NOT_FOUND', reason, reason)) },
    });
    expect(await readPieces(failing('terminal_not_found'), piecesOf(range))).toEqual([
      { text: '', droppedBytes: 7 },
    ]);
    await expect(readPieces(failing('process_host_lost'), piecesOf(range))).rejects.toThrow(
      'process_host_lost',
    );
  });
});

it('knows how much of a character stands before a border', () => {
  const bytes = Uint8Array.of(0x61, 0xf0, 0x9f, 0x98, 0x80, 0xe2, 0x82, 0xc3, 0x80, 0x80, 0x80, 0x80);
  expect([...bytes, 0].map((_byte, at) => carryBefore(bytes, at))).toEqual([
    0, 0, 1, 2, 3, 0, 1, 2, 1, 0, 0, 0, 0,
  ]);
});
