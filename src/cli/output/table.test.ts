import { describe, expect, it } from 'vitest';
import { firstLine, formatTable } from './table.ts';

describe('formatTable', () => {
  it('aligns columns and leaves no blanks at the end', () => {
    expect(
      formatTable(
        ['ID', 'STATE', 'TASK'],
        [
          ['a1', 'running', 'npm test'],
          ['longer', 'ok', ''],
        ],
      ),
    ).toBe('ID      STATE    TASK\na1      running  npm test\nlonger  ok\n');
  });

  it('counts wide characters as a terminal does', () => {
    expect(
      formatTable(
        ['N', 'X'],
        [
          ['漢字', 'x'],
          ['🙂', 'y'],
          ['é', 'z'],
        ],
      ),
    ).toBe('N     X\n漢字  x\n🙂    y\né     z\n');
  });

  it('cuts the last column to the width', () => {
    expect(formatTable(['A', 'B'], [['1', 'a long text here']], 13)).toBe('A  B\n1  a long te…\n');
    expect(formatTable(['A', 'B'], [['1', '漢字漢字漢字']], 12)).toBe('A  B\n1  漢字漢字…\n');
  });

  it('keeps a row a row', () => {
    expect(formatTable(['A'], [['x\ny\x1b[31m']])).toBe('A\nx�y�[31m\n');
  });
});

describe('firstLine', () => {
  it('tells that there is more', () => {
    expect(firstLine('one')).toBe('one');
    expect(firstLine('\none\ntwo\n')).toBe('one …');
  });
});
