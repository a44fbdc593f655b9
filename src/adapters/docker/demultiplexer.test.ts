import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Demultiplexer } from './demultiplexer.ts';

const frames = fc.array(
  fc.record({ stream: fc.constantFrom(1, 2), data: fc.uint8Array({ maxLength: 50 }) }),
  { maxLength: 20 },
);

it('gives each stream its bytes in their order, wherever the frames are cut', () => {
  fc.assert(
    fc.property(frames, fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (all, cuts) => {
      const bytes = Buffer.concat(
        all.map(({ stream, data }) => {
          const header = Buffer.alloc(8);
          header[0] = stream;
          header.writeUInt32BE(data.length, 4);
          return Buffer.concat([header, data]);
        }),
      );
      const demultiplexer = new Demultiplexer();
      const got = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
      for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
        const size = cuts[turn % cuts.length] ?? 1;
        for (const { stream, data } of demultiplexer.push(bytes.subarray(at, at + size))) {
          got[stream] = Buffer.concat([got[stream], data]);
        }
        at += size;
      }
      const expected = (number: number): Buffer =>
        Buffer.concat(all.filter(({ stream }) => stream === number).map(({ data }) => data));
      expect(got.stdout.equals(expected(1))).toBe(true);
      expect(got.stderr.equals(expected(2))).toBe(true);
    }),
  );
});

it('refuses what is not framed', () => {
  expect(() => new Demultiplexer().push(Buffer.from('plain text, no frames'))).toThrow(/not framed/);
});
