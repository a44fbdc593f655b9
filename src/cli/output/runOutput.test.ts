import { describe, expect, it } from 'vitest';
import type { FollowSink } from '../../core/ports/processHost.ts';
import { RunOutput } from './runOutput.ts';

const mark = '\x1b]133;D;0;aid=x;step=1;exit\x07';

/** Terminals and a writer in the test's hand. */
function setUp() {
  const sinks = new Map<string, FollowSink>();
  const acked = new Map<string, number>();
  const writes: { text: string; step: number; taken: () => void }[] = [];
  const told: string[] = [];
  const output = new RunOutput({
    follow: async (id, sink) => {
      sinks.set(id, sink);
      return { ack: (offset) => void acked.set(id, offset), dispose: () => void told.push(`left ${id}`) };
    },
    write: (bytes, step) =>
      new Promise((resolve) => {
        writes.push({ text: bytes.toString(), step, taken: resolve });
      }),
    onLost: (bytes) => told.push(`lost ${bytes}`),
    onError: (error) => told.push(String(error)),
  });
  const data = (id: string, text: string, offset = 0): void =>
    sinks.get(id)?.onData(Buffer.from(text), offset);
  const end = (id: string, at: number): void =>
    sinks.get(id)?.onEnd?.({ id, end: at, exitCode: 0, signal: null, reason: 'exited', exitedAt: 0 });
  const takeAll = async (): Promise<void> => {
    for (const write of writes) write.taken();
    await settle();
  };
  return { output, sinks, acked, writes, told, data, end, takeAll };
}

async function settle(): Promise<void> {
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
}

describe('RunOutput', () => {
  it('acknowledges what was taken, and nothing that is still to be written', async () => {
    const { output, acked, writes, data, takeAll } = setUp();
    output.addTerminal('t');
    await settle();
    data('t', '$ x\n');
    expect(acked.get('t')).toBe(0);
    output.stepReaches(1, 't', 4, 4, false);
    data('t', 'hello', 4);
    expect(writes.map(({ text }) => text)).toEqual(['hello']);
    expect(acked.get('t') ?? 0).toBeLessThan(9);
    await takeAll();
    expect(acked.get('t')).toBe(9);
  });

  it('finishes when the last byte was taken, not before', async () => {
    const { output, data, takeAll, told } = setUp();
    output.addTerminal('t');
    await settle();
    output.stepReaches(1, 't', 0, 5, true);
    let isFinished = false;
    const finished = output.finish().then(() => {
      isFinished = true;
    });
    await settle();
    expect(isFinished).toBe(false);
    data('t', `hello${mark}`);
    await settle();
    expect(isFinished).toBe(false);
    await takeAll();
    await finished;
    expect(told).toEqual(['left t']);
  });

  it('shows terminals one after the other', async () => {
    const { output, sinks, writes, data, end, takeAll } = setUp();
    output.addTerminal('a');
    output.addTerminal('a');
    output.stepReaches(1, 'a', 0, 3, true);
    output.addTerminal('b');
    output.stepReaches(2, 'b', 0, 3, true);
    await settle();
    expect([...sinks.keys()]).toEqual(['a']);
    data('a', 'one');
    end('a', 3);
    await takeAll();
    expect([...sinks.keys()]).toEqual(['a', 'b']);
    data('b', 'two');
    const finished = output.finish();
    await takeAll();
    await finished;
    expect(writes.map(({ text, step }) => [text, step])).toEqual([
      ['one', 1],
      ['two', 2],
    ]);
  });

  it('ends where a step never did: its worker died', async () => {
    const { output, writes, data, end, takeAll } = setUp();
    output.addTerminal('t');
    await settle();
    output.stepReaches(1, 't', 0, 0, false);
    data('t', 'half');
    const finished = output.finish();
    end('t', 4);
    await takeAll();
    await finished;
    expect(writes.map(({ text }) => text)).toEqual(['half']);
  });

  it('tells what was lost, and goes on', async () => {
    const { output, sinks, writes, data, told } = setUp();
    output.addTerminal('t');
    await settle();
    output.stepReaches(1, 't', 0, 0, false);
    sinks.get('t')?.onGap?.(0, 1_000);
    data('t', 'rest', 1_000);
    expect(told).toEqual(['lost 1000']);
    expect(writes.map(({ text }) => text)).toEqual(['rest']);
  });

  it('finishes at once where there was no terminal', async () => {
    await setUp().output.finish();
  });

  it('tells that a terminal cannot be read', async () => {
    const told: string[] = [];
    const output = new RunOutput({
      follow: () => Promise.reject(new Error('gone')),
      write: () => Promise.resolve(),
      onLost: () => undefined,
      onError: (error) => told.push(String(error)),
    });
    output.addTerminal('t');
    await output.finish();
    expect(told).toEqual(['Error: gone']);
  });
});
