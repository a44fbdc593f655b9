import { describe, expect, it } from 'vitest';
import type { HostMessage } from '../../protocol/runPanel.ts';
import { shownBytes, StepOutputStream } from './stepOutput.ts';

type OutputMessage = Extract<HostMessage, { type: 'output' }>;

/** A record that may have dropped its start, and what the panel was sent. */
function panel(
  record: Uint8Array,
  dropped = 0,
): { stream: StepOutputStream; sent: OutputMessage[]; text: () => string } {
  const sent: OutputMessage[] = [];
  const stream = new StepOutputStream({
    step: 1,
    read: async (_, from, to) => {
      const start = Math.max(from, dropped);
      return { from: start, data: record.slice(start, Math.max(start, to)), end: record.length };
    },
    post: async (message) => {
      if (message.isReset) sent.length = 0;
      sent.push(message);
      return true;
    },
  });
  return { stream, sent, text: () => sent.map(({ text }) => text).join('') };
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const output = (from: number, to: number) => ({ terminalId: 't', from, to });

describe('output of a step', () => {
  it('sends what is there, then what comes', async () => {
    const record = bytes('0123456789');
    const { stream, sent, text } = panel(record);
    stream.update(output(2, 5), false);
    await stream.settled();
    expect(sent).toMatchObject([{ from: 2, to: 5, text: '234', isReset: true, omittedBytes: 0 }]);
    stream.update(output(2, 8), true);
    await stream.settled();
    expect(text()).toBe('234567');
    expect(sent.at(-1)).toMatchObject({ from: 5, to: 8, isReset: false });
  });

  it('keeps characters whole, also one that the step left unfinished', async () => {
    const record = bytes('a€');
    const { stream, text } = panel(record);
    stream.update(output(0, 2), false);
    await stream.settled();
    expect(text()).toBe('a');
    stream.update(output(0, 4), true);
    await stream.settled();
    expect(text()).toBe('a€');
    const cut = panel(record);
    cut.stream.update(output(0, 3), true);
    await cut.stream.settled();
    expect(cut.text()).toBe('a\ufffd');
  });

  it('starts with the end of a long output, at a whole character', async () => {
    const record = bytes('€'.repeat(shownBytes / 2));
    const { stream, sent, text } = panel(record);
    stream.update(output(0, record.length), true);
    await stream.settled();
    const [first] = sent;
    expect(first?.isReset).toBe(true);
    expect(first?.omittedBytes).toBe(first?.from);
    expect(text()).toMatch(/^€+$/);
    expect(sent.at(-1)?.to).toBe(record.length);
    expect(sent.length).toBeGreaterThan(10);
  });

  it('says how much the record has dropped', async () => {
    const { stream, sent } = panel(bytes('0123456789'), 6);
    stream.update(output(1, 10), true);
    await stream.settled();
    expect(sent).toMatchObject([{ from: 6, text: '6789', isReset: true, omittedBytes: 5 }]);
  });

  it('ends when everything was dropped', async () => {
    const { stream, sent } = panel(bytes('0123456789'), 10);
    stream.update(output(1, 5), true);
    await stream.settled();
    expect(sent).toMatchObject([{ text: '', isReset: true }]);
  });

  it('sends nothing once it is stopped', async () => {
    const { stream, sent } = panel(bytes('0123456789'));
    stream.stop();
    stream.update(output(0, 10), true);
    await stream.settled();
    expect(sent).toEqual([]);
  });
});
