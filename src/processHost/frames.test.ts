import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OrchestratorError } from '../base/errors.ts';
import { type JsonFrame, maxFrameBytes } from '../protocol/processHost.ts';
import { encodeJson, encodeOutputHeader, FrameDecoder } from './frames.ts';

type Seen = { json: JsonFrame } | { stream: number; offset: number; bytes: string };

function decode(chunks: readonly Buffer[]): Seen[] {
  const seen: Seen[] = [];
  const decoder = new FrameDecoder({
    onJson: (json) => seen.push({ json }),
    onOutput: (stream, offset, bytes) => seen.push({ stream, offset, bytes: bytes.toString('hex') }),
  });
  for (const chunk of chunks) decoder.push(chunk);
  return seen;
}

const message = fc.oneof(
  fc.record({ id: fc.nat(), method: fc.string(), params: fc.jsonValue() }).map((json) => ({ json: json })),
  fc.record({
    stream: fc.nat(0xffff_ffff),
    offset: fc.nat(Number.MAX_SAFE_INTEGER),
    bytes: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString('hex')),
  }),
);

function encode(seen: Seen): Buffer {
  if ('json' in seen) return encodeJson(seen.json);
  const bytes = Buffer.from(seen.bytes, 'hex');
  return Buffer.concat([encodeOutputHeader(seen.stream, seen.offset, bytes.length), bytes]);
}

describe('frames', () => {
  it('come out as they went in, however they are cut', () => {
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 50 })),
        (messages, cuts) => {
          const wire = Buffer.concat(messages.map(encode));
          const chunks: Buffer[] = [];
          let position = 0;
          for (const cut of cuts) {
            if (position >= wire.length) break;
            chunks.push(wire.subarray(position, position + cut));
            position += cut;
          }
          if (position < wire.length) chunks.push(wire.subarray(position));
          const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
          expect(plain(decode(chunks))).toEqual(plain(messages));
        },
      ),
    );
  });

  it.each([
    ['of no length', Buffer.from([0, 0, 0, 0, 0])],
    ['that is too long', Buffer.from([0xff, 0xff, 0xff, 0xff, 0])],
    ['of an unknown kind', Buffer.from([0, 0, 0, 1, 9])],
    ['that is no JSON', Buffer.from([0, 0, 0, 2, 0, 0x7b])],
    ['that is an array', Buffer.from([0, 0, 0, 3, 0, 0x5b, 0x5d])],
    ['of output without its header', Buffer.from([0, 0, 0, 2, 1, 0])],
  ])('refuses one %s', (_, bytes) => {
    expect(() => decode([bytes])).toThrow(OrchestratorError);
  });

  it('refuses to send what the other side would refuse', () => {
    expect(() => encodeJson({ id: 1, result: 'x'.repeat(maxFrameBytes) })).toThrow(/larger than/);
  });
});
