import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import type { DaemonFrame } from './frameCodec.ts';
import { StreamPlace } from './streamPlace.ts';

const streamFrame = (seq: number, part: number): DaemonFrame => ({
  type: 'terminal_removed',
  terminalId: `${seq}.${part}`,
  seq,
  part,
});
const answer = (seq: number): DaemonFrame => ({ type: 'pong', seq });
const resumed = (seq: number): DaemonFrame => ({ type: 'resumed', seq, after: 0 });

/** A log whose events make one to four frames each. */
const logs = fc
  .array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 40 })
  .map((parts) =>
    parts.flatMap((count, seq) => Array.from({ length: count }, (_, part) => streamFrame(seq + 1, part))),
  );

/** One connection: how much comes before it is resumed, how far the resumed stream reaches back, and how long it lasts. */
const connections = fc.array(fc.record({ noise: fc.nat(5), overlap: fc.nat(6), length: fc.nat(12) }), {
  minLength: 1,
  maxLength: 20,
});

it('lets each frame through once and in order, whatever the connections repeat', () => {
  fc.assert(
    fc.property(logs, connections, (log, drops) => {
      const place = new StreamPlace();
      const heard: DaemonFrame[] = [];
      const hear = (frame: DaemonFrame): void => {
        if (place.accept(frame)) heard.push(frame);
      };
      let next = 0;
      for (const { noise, overlap, length } of [...drops, { noise: 0, overlap: 0, length: log.length }]) {
        hear(answer(0));
        if (place.resumeAfter !== undefined) {
          // What a new connection tells before it is resumed is told again.
          for (const frame of log.slice(next, next + noise)) hear(frame);
          expect(place.resumeAfter.seq).toBe(log[next - 1]?.seq ?? 0);
          hear(resumed(log.length));
        }
        for (const frame of log.slice(Math.max(0, next - overlap), next + length)) hear(frame);
        next = Math.min(log.length, next + length);
        place.interrupt();
      }
      expect(heard.filter(({ type }) => type === 'terminal_removed')).toEqual(log);
    }),
  );
});

it('is not moved by answers, whose sequence may be ahead of the stream', () => {
  const place = new StreamPlace();
  place.accept(answer(10));
  place.accept(streamFrame(11, 0));
  place.accept(answer(99));
  expect(place.accept(streamFrame(11, 1))).toBe(true);
  expect(place.resumeAfter).toBeUndefined();
  place.interrupt();
  expect(place.resumeAfter).toEqual({ seq: 11, part: 1 });
});

it('begins where the log stood when it connected, if nothing has come since', () => {
  const place = new StreamPlace();
  place.interrupt();
  expect(place.resumeAfter).toBeUndefined();
  place.accept(answer(10));
  place.interrupt();
  expect(place.resumeAfter).toEqual({ seq: 10 });
});

it('begins anew with a subscription, where the log was lost', () => {
  const place = new StreamPlace();
  place.accept(answer(0));
  place.accept(streamFrame(500, 0));
  place.interrupt();
  place.startAnew();
  expect(place.accept(streamFrame(4, 0))).toBe(false);
  place.accept({ type: 'subscribed', sessionIds: [], topics: [], seq: 4 });
  expect(place.accept(streamFrame(5, 0))).toBe(true);
});
