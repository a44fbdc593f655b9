import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type FrameParts, rawFrame } from '../../../../test/harness/rawWebSocket.ts';
import { webSocketCases } from '../../../../test/conformance/webSocketCases.ts';
import { FrameReader } from './frameReader.ts';
import { Utf8Check } from './utf8Check.ts';

/** What a reader tells of bytes that come in these pieces. */
function toldOf(bytes: Buffer, cuts: readonly number[], maxBytes: number, isDeflating = false): string[] {
  const told: string[] = [];
  const reader = new FrameReader(
    {
      isDeflating,
      maxFragments: 1_024,
      handler: {
        message: (data, isText) => void told.push(`${isText ? 'text' : 'binary'} ${data.toString('latin1')}`),
        tooLong: () => void told.push('too long'),
        skipped: () => void told.push('skipped'),
        ping: (payload) => void told.push(`ping ${payload.toString('latin1')}`),
        pong: () => void told.push('pong'),
        close: (code) => void told.push(`close ${code}`),
        failed: (code) => void told.push(`failed ${code}`),
      },
    },
    maxBytes,
  );
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  for (const [index, start] of [0, ...places].entries()) {
    // It unmasks in place.
    reader.push(Buffer.from(bytes.subarray(start, places[index] ?? bytes.length)));
  }
  return told;
}

describe('the reader of frames', () => {
  it('tells the same of every case however the bytes are cut', () => {
    const short = webSocketCases.filter(({ sent }) => sent.length < 10_000);
    fc.assert(
      fc.property(
        fc.constantFrom(...short),
        fc.array(fc.nat(10_000), { maxLength: 20 }),
        ({ sent, isDeflating = false }, cuts) => {
          expect(toldOf(sent, cuts, 1_000_000, isDeflating)).toEqual(
            toldOf(sent, [], 1_000_000, isDeflating),
          );
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('tells messages, and skips those that are too long, however they are cut and fragmented', () => {
    const message = fc.record({
      isText: fc.boolean(),
      parts: fc.array(fc.string({ maxLength: 150 }), { minLength: 1, maxLength: 5 }),
    });
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 5 }),
        fc.array(fc.nat(5_000), { maxLength: 20 }),
        (messages, cuts) => {
          const frames = messages.flatMap(({ isText, parts }) =>
            parts.map((payload, index): FrameParts => {
              const opcode = index > 0 ? 0 : isText ? 1 : 2;
              return { opcode, isFinal: index === parts.length - 1, payload };
            }),
          );
          const wanted = messages.flatMap(({ isText, parts }) => {
            const data = Buffer.from(parts.join(''));
            if (data.length > 300) return ['too long', 'skipped'];
            return [`${isText ? 'text' : 'binary'} ${data.toString('latin1')}`];
          });
          expect(toldOf(Buffer.concat(frames.map(rawFrame)), cuts, 300)).toEqual(wanted);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('tells nothing while it is held, and only control frames once messages are discarded', () => {
    const told: string[] = [];
    const reader: FrameReader = new FrameReader(
      {
        isDeflating: false,
        maxFragments: 10,
        handler: {
          message(data) {
            told.push(data.toString());
            reader.hold();
          },
          tooLong: () => undefined,
          skipped: () => undefined,
          ping: () => void told.push('ping'),
          pong: () => undefined,
          close: () => void told.push('close'),
          failed: (code) => void told.push(`failed ${code}`),
        },
      },
      100,
    );
    reader.push(Buffer.concat([rawFrame({ payload: 'a' }), rawFrame({ payload: 'b' })]));
    reader.push(rawFrame({ isFinal: false, payload: 'begun' }));
    expect(told).toEqual(['a']);
    reader.release();
    expect(told).toEqual(['a', 'b']);
    reader.release();
    reader.discard();
    reader.push(Buffer.concat([rawFrame({ opcode: 0, payload: 'done' }), rawFrame({ payload: 'c' })]));
    reader.push(Buffer.concat([rawFrame({ opcode: 9 }), rawFrame({ opcode: 8 })]));
    expect(told).toEqual(['a', 'b', 'ping', 'close']);
  });
});

describe('the check of UTF-8', () => {
  it('agrees with the platform, at every end', () => {
    const decoder = new TextDecoder('utf-8', { fatal: true });
    const isText = (bytes: Uint8Array): boolean => {
      try {
        decoder.decode(bytes);
        return true;
      } catch {
        return false;
      }
    };
    const nearly = fc
      .tuple(fc.string({ unit: 'binary' }), fc.nat(), fc.nat(255))
      .map(([text, place, byte]) => {
        const bytes = Buffer.from(text);
        if (bytes.length > 0) bytes[place % bytes.length] = byte;
        return bytes;
      });
    fc.assert(
      fc.property(fc.oneof(nearly, fc.uint8Array({ maxLength: 8 })), fc.nat(), (bytes, place) => {
        const check = new Utf8Check();
        const cut = place % (bytes.length + 1);
        const isGood =
          check.push(bytes.subarray(0, cut)) && check.push(bytes.subarray(cut)) && check.isComplete;
        expect(isGood).toBe(isText(bytes));
      }),
      { numRuns: 5_000 },
    );
  });
});
