import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CommandTracker } from './commandTracker.ts';

const nonce = 'abc123';
const encoder = new TextEncoder();
const mark = (body: string): string => `\x1b]133;${body};aid=${nonce}\x07`;
const prompt = `${mark('A')}$ \x1b]133;B\x07`;

/** Pushes the text in pieces that end at the given places. */
function feed(tracker: CommandTracker, text: string, cuts: readonly number[] = []): void {
  const bytes = encoder.encode(text);
  const from = tracker.position;
  const ends = [...new Set([...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort(
    (a, b) => a - b,
  );
  let start = 0;
  for (const end of ends) {
    tracker.push(bytes.slice(start, end), from + start);
    start = end;
  }
}

describe('CommandTracker', () => {
  it('knows exit code and place of the output, wherever the stream is cut', () => {
    const before = `${prompt}ls\r\n${mark('C')}`;
    const text = `${before}a\r\nb\x1b]133;D;0\x07${mark('D;3')}${prompt}`;
    const from = encoder.encode(before).length;
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 8 }), (cuts) => {
        const tracker = new CommandTracker({ nonce, hasStartMark: true });
        feed(tracker, text, cuts);
        expect(tracker.last).toEqual({ exitCode: 3, from, to: from + 4 + 10, line: undefined });
        expect(tracker.runningFrom).toBeUndefined();
      }),
    );
  });

  it('waits for what was typed ahead, one command after the other', () => {
    const tracker = new CommandTracker({ nonce, hasStartMark: true });
    feed(tracker, `${prompt}${mark('C')}`);
    tracker.submit(tracker.position, 'one');
    tracker.submit(tracker.position, 'two');
    feed(tracker, `first${mark('D;0')}`);
    expect(tracker.isSettled).toBe(false);
    feed(tracker, `${prompt}${mark('C')}1${mark('D;1')}${prompt}`);
    expect(tracker.last).toMatchObject({ exitCode: 1, line: 'one' });
    expect(tracker.isSettled).toBe(false);
    feed(tracker, `${mark('C')}2${mark('D;2')}${prompt}`);
    expect(tracker.last).toMatchObject({ exitCode: 2, line: 'two' });
    expect(tracker.isSettled).toBe(true);
  });

  it('may be settled when lines were no commands of their own and the shell is at its prompt', () => {
    const tracker = new CommandTracker({ nonce, hasStartMark: true });
    feed(tracker, prompt);
    tracker.submit(tracker.position, 'read x');
    tracker.submit(tracker.position, 'its input');
    feed(tracker, mark('C'));
    expect(tracker.mayBeSettled).toBe(false);
    feed(tracker, `${mark('D;0')}${prompt}`);
    expect([tracker.isSettled, tracker.mayBeSettled]).toEqual([false, true]);
    tracker.settle();
    expect(tracker.isSettled).toBe(true);
  });

  it('without start marks, takes the end of the typed line for the beginning of a command', () => {
    const tracker = new CommandTracker({ nonce, hasStartMark: false });
    const shown = `${mark('D;0')}${mark('A')}$ ${mark('B')}`;
    feed(tracker, shown);
    expect(tracker.isSettled).toBe(true);
    tracker.submit(tracker.position, 'ls');
    feed(tracker, 'ls\r\n');
    expect(tracker.runningFrom).toBe(shown.length);
    feed(tracker, `a\r\n${mark('D;4')}`);
    expect(tracker.last).toEqual({ exitCode: 4, from: shown.length, to: shown.length + 7, line: 'ls' });
  });

  it('ends a command whose mark left the record, or with the shell', () => {
    const tracker = new CommandTracker({ nonce, hasStartMark: true });
    feed(tracker, mark('C'));
    tracker.skipTo(5_000);
    expect(tracker.last).toMatchObject({ exitCode: null, to: 5_000 });
    feed(tracker, `${mark('C')}bye`);
    tracker.submit(tracker.position, 'never run');
    tracker.end(143, tracker.position);
    expect(tracker.last).toMatchObject({ exitCode: 143, to: tracker.position });
    expect(tracker.isSettled).toBe(true);
  });
});
