import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameCorrector } from './frameCorrector.ts';

const none: Buffer = Buffer.alloc(0);
const flag = { ack: 1, endStream: 1, endHeaders: 4, padded: 8, priority: 32 };

function frame(type: number, flags: number, stream: number, payload: Buffer = none): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}
const data = (stream: number, payload: Buffer): Buffer => frame(0, 0, stream, payload);
const headers = (flags: number, stream: number, payload: Buffer): Buffer => frame(1, flags, stream, payload);
const continuation = (flags: number, stream: number, payload: Buffer): Buffer =>
  frame(9, flags, stream, payload);
const settings = frame(4, 0, 0, Buffer.from([0, 4, 0, 1, 0, 0]));
const settingsAck = frame(4, flag.ack, 0);
const ping = frame(6, 0, 0, Buffer.alloc(8, 7));
const windowUpdate = frame(8, 0, 0, Buffer.from([0, 0, 1, 0]));

const block = (authority: string): Buffer =>
  Buffer.concat([Buffer.of(0x83, 0x86, 0x84, 0x41, authority.length), Buffer.from(authority)]);
const odd = block('/x.sock');
const corrected = block('_x.sock');
const legal = block('localhost');
const whole = flag.endHeaders;

function push(chunks: readonly Buffer[], corrector = new FrameCorrector()): Buffer {
  return Buffer.concat(chunks.map((chunk) => corrector.push(chunk)));
}
/** All, with what is held back. */
function pushAll(chunks: readonly Buffer[]): Buffer {
  const corrector = new FrameCorrector();
  return Buffer.concat([push(chunks, corrector), corrector.takeRest()]);
}
function split(bytes: Buffer, ...at: number[]): Buffer[] {
  const ends = [...new Set([...at, bytes.length])].sort((a, b) => a - b);
  return ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end));
}

describe('FrameCorrector', () => {
  const connection = Buffer.concat([
    settings,
    windowUpdate,
    headers(whole, 1, odd),
    data(1, odd),
    settingsAck,
    headers(whole | flag.endStream, 3, odd),
    ping,
  ]);
  const wanted = Buffer.concat([
    settings,
    windowUpdate,
    headers(whole, 1, corrected),
    data(1, odd),
    settingsAck,
    headers(whole | flag.endStream, 3, corrected),
    ping,
  ]);

  it('corrects every request of a connection, wherever its bytes are split', () => {
    expect(push([connection])).toEqual(wanted);
    expect(push(split(connection, ...connection.keys()))).toEqual(wanted);
    for (let at = 1; at < connection.length; at += 1) expect(push(split(connection, at))).toEqual(wanted);
  });

  it('does not wait for the end of what it does not read', () => {
    const long = data(1, Buffer.alloc(10_000, 1));
    expect(push([long.subarray(0, 100)])).toEqual(long.subarray(0, 100));
  });

  it('keeps the priority and drops the padding', () => {
    const priority = Buffer.from([0, 0, 0, 0, 15]);
    const padded = Buffer.concat([Buffer.of(3), priority, odd, Buffer.alloc(3)]);
    expect(push([headers(whole | flag.padded | flag.priority, 1, padded)])).toEqual(
      headers(whole | flag.priority, 1, Buffer.concat([priority, corrected])),
    );
  });

  it('puts a block together that comes in several frames', () => {
    for (let at = 0; at <= odd.length; at += 1) {
      const parts = [
        headers(flag.endStream, 1, odd.subarray(0, at)),
        continuation(0, 1, none),
        continuation(whole, 1, odd.subarray(at)),
      ];
      expect(push(parts)).toEqual(headers(flag.endStream | whole, 1, corrected));
    }
  });

  it('needs a frame more where the corrected block is longer than a frame', () => {
    const filling = Buffer.concat([Buffer.of(0x44, 0x7f, 0xf8, 0x7e), Buffer.alloc(16_375, 'x')]);
    const long = Buffer.concat([Buffer.of(0x81), filling]);
    const parts = push([headers(whole, 1, long)]);
    const expected = Buffer.concat([Buffer.of(1, 9), Buffer.from('localhost'), filling]);
    expect(parts).toEqual(
      Buffer.concat([
        headers(0, 1, expected.subarray(0, 16_384)),
        continuation(whole, 1, expected.subarray(16_384)),
      ]),
    );
  });

  it('takes out as many acknowledgements as it was told', () => {
    const corrector = new FrameCorrector();
    corrector.takeAck();
    expect(push([settings, headers(whole, 1, legal)], corrector)).toHaveLength(
      settings.length + 9 + legal.length,
    );
    expect(corrector).toMatchObject({ finding: 'legal', isDone: false });
    expect(push([settingsAck], corrector)).toEqual(none);
    expect(corrector.isDone).toBe(true);
    expect(push([settingsAck], corrector)).toEqual(settingsAck);
  });

  it.each([
    ['nothing', 'nothing', false, [settings, windowUpdate, settingsAck]],
    ['a question', 'ping', false, [settings, ping]],
    ['a request that is incomplete', 'nothing', false, [headers(0, 1, legal)]],
    ['a request', 'legal', true, [settings, headers(whole, 1, legal)]],
    ['a request that is corrected', 'corrected', false, [headers(whole, 1, legal), headers(whole, 3, odd)]],
  ])('finds %s', (_name, finding, isDone, chunks) => {
    const corrector = new FrameCorrector();
    push(chunks, corrector);
    expect(corrector).toMatchObject({ finding, isDone });
  });

  it.each([
    ['a continuation of nothing', [continuation(whole, 1, odd)]],
    ['another frame within a block', [headers(0, 1, odd), ping]],
    ['an acknowledgement within a block', [headers(0, 1, odd), settingsAck]],
    ['a request within a block', [headers(0, 1, odd), headers(whole, 3, odd)]],
    ['a continuation of another stream', [headers(0, 1, odd), continuation(whole, 3, none)]],
    ['more padding than there is', [headers(whole | flag.padded, 1, Buffer.from([200, 0x81]))]],
    ['a frame that is too long', [headers(whole, 1, Buffer.alloc(16_385))]],
    [
      'a block that is too long',
      [headers(0, 1, odd), ...Array(5).fill(continuation(0, 1, Buffer.alloc(16_384)))],
    ],
  ])('gives up at %s, and lets it pass with all that follows', (_name, chunks) => {
    const corrector = new FrameCorrector();
    const bytes = Buffer.concat([...chunks, headers(whole, 5, odd)]);
    expect(push(split(bytes, 5, 15, 30), corrector)).toEqual(bytes);
    expect(corrector.isDone).toBe(true);
  });

  it('changes nothing else', () => {
    const anyFrame = fc
      .record({
        type: fc.integer({ min: 0, max: 12 }),
        flags: fc.nat(255),
        stream: fc.nat(5),
        payload: fc.uint8Array({ maxLength: 40 }),
      })
      .map(({ type, flags, stream, payload }) =>
        // A request with a legal block instead of noise, which may be an `:authority`.
        frame(type, flags, stream, type === 1 || type === 9 ? legal : Buffer.from(payload)),
      );
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 8 }), fc.array(fc.nat(200)), (frames, at) => {
        const bytes = Buffer.concat(frames);
        expect(pushAll(split(bytes, ...at.filter((offset) => offset < bytes.length)))).toEqual(bytes);
      }),
      { numRuns: 500 },
    );
  });

  it('says the same of noise, however it is split', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), fc.nat(200), (noise, seed) => {
        const bytes = Buffer.concat([headers(whole, 1, odd), Buffer.from(noise)]);
        expect(pushAll(split(bytes, seed % bytes.length))).toEqual(pushAll([bytes]));
      }),
      { numRuns: 500 },
    );
  });
});
