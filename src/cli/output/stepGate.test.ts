import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StepGate } from './stepGate.ts';

const mark = '\x1b]133;D;0;aid=x;step=1\x07';

function setUp() {
  const seen: [number, string][] = [];
  const gate = new StepGate((bytes, step) => seen.push([step, bytes.toString('latin1')]));
  return {
    gate,
    feed: (text: string) => gate.data(Buffer.from(text, 'latin1')),
    text: () => seen.map(([, part]) => part).join(''),
    seen,
  };
}

describe('StepGate', () => {
  it('waits until it knows where the step begins, then lets bytes through at once', () => {
    const { gate, feed, text } = setUp();
    feed('$ cmd\r\n');
    expect(text()).toBe('');
    gate.stepReaches(1, 10, 10, false);
    feed('abchello');
    expect(text()).toBe('hello');
    feed(' you');
    expect(text()).toBe('hello you');
    expect(gate.isSettled).toBe(false);
  });

  it('waits at what may be a mark, and drops it when the step ended there', () => {
    const { gate, feed, text } = setUp();
    gate.stepReaches(1, 0, 0, false);
    feed(`hi${mark}$ next`);
    expect(text()).toBe('hi');
    gate.stepReaches(1, 0, 2, true);
    expect(text()).toBe('hi');
    expect(gate.isSettled).toBe(true);
    gate.stepReaches(2, 2 + mark.length + 6, 2 + mark.length + 6, false);
    feed('more');
    expect(text()).toBe('himore');
  });

  it('lets a forged mark through as soon as the step is known to reach behind it', () => {
    const { gate, feed, text } = setUp();
    gate.stepReaches(1, 0, 0, false);
    feed(`a${mark}b`);
    expect(text()).toBe('a');
    gate.stepReaches(1, 0, 2 + mark.length, false);
    expect(text()).toBe(`a${mark}b`);
  });

  it('holds a lone escape until the next byte shows that it is none', () => {
    const { gate, feed, text } = setUp();
    gate.stepReaches(1, 0, 0, false);
    feed('a\x1b');
    expect(text()).toBe('a');
    feed('[0mb');
    expect(text()).toBe('a\x1b[0mb');
  });

  it('passes a step whose end is known before its bytes are there', () => {
    const { gate, feed, text } = setUp();
    gate.stepReaches(1, 3, 8, true);
    feed('xxxab');
    expect(gate.isSettled).toBe(false);
    feed('cdeyyy');
    expect(text()).toBe('abcde');
    expect(gate.isSettled).toBe(true);
  });

  it('is not confused by what it is told again', () => {
    const { gate, feed, text } = setUp();
    gate.stepReaches(1, 0, 3, false);
    gate.stepReaches(1, 0, 1, false);
    gate.stepReaches(1, 0, 3, true);
    feed('abcxxxdef');
    for (const isFinal of [false, true]) gate.stepReaches(1, 0, 1, isFinal);
    expect(gate.isSettled).toBe(true);
    gate.stepReaches(2, 6, 9, true);
    gate.stepReaches(1, 0, 3, false);
    expect(text()).toBe('abcdef');
    expect(gate.isSettled).toBe(true);
  });

  it('counts what was lost of the output in a gap', () => {
    const { gate, feed, text } = setUp();
    gate.stepReaches(1, 2, 4, false);
    feed('xxab');
    expect(gate.skipTo(1_000)).toBe(996);
    gate.stepReaches(1, 2, 1_003, true);
    feed('cde....');
    expect(text()).toBe('abcde');
    expect(gate.isSettled).toBe(true);
  });

  it('shows the same bytes in whatever order and portions bytes and events come', () => {
    const part = fc.constantFrom('a', 'b\r\n', '\x1b', '\x1b]133;', mark, '\x1b[1m', '');
    const outputs = fc.array(fc.array(part, { maxLength: 6 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(outputs, fc.infiniteStream(fc.nat(9)), (steps, random) => {
        const next = (): number => random.next().value ?? 0;
        let stream = '';
        const events: [number, number, number, boolean][] = [];
        let expected = '';
        steps.forEach((parts, index) => {
          stream += `$ step\r\n\x1b]133;C;aid=x\x07`;
          const from = stream.length;
          events.push([index + 1, from, from, false]);
          for (const text of parts) {
            stream += text;
            expected += text;
            events.push([index + 1, from, stream.length, false]);
          }
          events.push([index + 1, from, stream.length, true]);
          stream += mark;
        });
        const { gate, feed, text } = setUp();
        let given = 0;
        while (given < stream.length || events.length > 0) {
          if (events.length > 0 && (given >= stream.length || next() < 4))
            gate.stepReaches(...events.shift()!);
          else {
            const size = 1 + next();
            feed(stream.slice(given, given + size));
            given += size;
          }
          expect(expected.startsWith(text())).toBe(true);
        }
        expect(text()).toBe(expected);
        expect(gate.isSettled).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
