import { describe, expect, it } from 'vitest';
import { InputQueue, OutputPump, splitText } from './outputPump.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('output pump', () => {
  it('decodes characters that are cut between parts', async () => {
    const written: string[] = [];
    const acknowledged: number[] = [];
    const pump = new OutputPump({
      write: (text) => written.push(text),
      settle: async () => undefined,
      acknowledge: (offset) => acknowledged.push(offset),
    });
    const data = bytes('a€😀b');
    for (let index = 0; index < data.length; index += 1) pump.push(data.slice(index, index + 1), 100 + index);
    await pump.drain();
    expect(written.join('')).toBe('a€😀b');
    expect(acknowledged.at(-1)).toBe(100 + data.length);
  });

  it('acknowledges a flood only after the window has answered', async () => {
    let letGo: () => void = () => undefined;
    const acknowledged: number[] = [];
    const pump = new OutputPump({
      write: () => undefined,
      settle: () => new Promise((resolve) => (letGo = resolve)),
      acknowledge: (offset) => acknowledged.push(offset),
    });
    const part = 100 * 1024;
    pump.push(new Uint8Array(part), 0);
    pump.push(new Uint8Array(part), part);
    await turn();
    expect(acknowledged).toEqual([part]);
    letGo();
    await pump.drain();
    expect(acknowledged).toEqual([part, 2 * part]);
  });

  it('is silent once it is stopped', async () => {
    const acknowledged: number[] = [];
    const pump = new OutputPump({
      write: () => undefined,
      settle: async () => undefined,
      acknowledge: (offset) => acknowledged.push(offset),
    });
    pump.push(bytes('x'), 0);
    pump.stop();
    pump.push(bytes('y'), 1);
    await pump.drain();
    expect(acknowledged).toEqual([1]);
  });

  it('writes in parts that never cut a character', () => {
    const parts = [...splitText('ab😀cd', 3)];
    expect(parts).toEqual(['ab', '😀c', 'd']);
    expect([...splitText('', 3)]).toEqual([]);
  });
});

describe('input queue', () => {
  it('keeps the order and sends together what came meanwhile', async () => {
    const writes: string[] = [];
    let letGo: () => void = () => undefined;
    const queue = new InputQueue(
      (text) => {
        writes.push(text);
        return new Promise((resolve) => (letGo = resolve));
      },
      () => undefined,
    );
    queue.push('a');
    queue.push('b');
    queue.push('c');
    expect(writes).toEqual(['a']);
    letGo();
    await turn();
    expect(writes).toEqual(['a', 'bc']);
  });

  it('goes on after a failure', async () => {
    const errors: unknown[] = [];
    const writes: string[] = [];
    let isBroken = true;
    const queue = new InputQueue(
      async (text) => {
        if (isBroken) throw new Error('gone');
        writes.push(text);
      },
      (error) => errors.push(error),
    );
    queue.push('a');
    await turn();
    isBroken = false;
    queue.push('b');
    await turn();
    expect(errors).toHaveLength(1);
    expect(writes).toEqual(['b']);
  });
});
