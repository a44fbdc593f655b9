import { describe, expect, it } from 'vitest';
import { findIds } from './idPattern.ts';

const terminal = '0f8e6e64-91a5-4b1e-8f0d-3a8f2ad6a9c1';
const run = '019ddc02-6f1b-7c3a-9d55-0a1b2c3d4e5f';
const session = 'd41d8cd98f00b204e9800998ecf8427e';

describe('ids in a line of output', () => {
  it('are found wherever they stand', () => {
    const line = `${terminal} (${run}) "${session}",`;
    expect(findIds(line)).toEqual([
      { id: terminal, index: 0 },
      { id: run, index: 38 },
      { id: session, index: 77 },
    ]);
  });

  it('are not found within longer words', () => {
    expect(findIds(`x${terminal} ${session}0 a-${session} ${run}-1`)).toEqual([]);
    expect(findIds(session.toUpperCase())).toEqual([]);
  });

  it('are not looked for in lines that nobody reads', () => {
    expect(findIds(`${'x'.repeat(20_000)} ${session}`)).toEqual([]);
  });
});
