import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { commandLineOf } from './commandLine.ts';

describe('commandLineOf', () => {
  it('reads like what was typed', () => {
    expect(commandLineOf(['npm', 'run', 'test:unit', '--', '--grep=x'])).toBe(
      'npm run test:unit -- --grep=x',
    );
    expect(commandLineOf(['sh', '-c', 'echo hi; exit 3'])).toBe("sh -c 'echo hi; exit 3'");
    expect(commandLineOf(['time', 'ls'])).toBe("'time' ls");
    expect(commandLineOf(["it's", '', '~', '*', 'A=b'])).toBe("'it'\\''s' '' '~' '*' 'A=b'");
  });

  it('is the same words again for a shell', () => {
    const word = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 12 }).map((text) => text.replaceAll('\0', '')),
      fc.constantFrom('if', '!', '{', '$HOME', '`id`', '\n', "'", '"', '\\', '#x', '~root', 'A=b', '-n', 'é'),
    );
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 8 }), (words) => {
        const line = commandLineOf([
          process.execPath,
          '-e',
          'process.stdout.write(JSON.stringify(process.argv.slice(1)))',
          '--',
          ...words,
        ]);
        const { stdout } = spawnSync('sh', ['-c', line], { encoding: 'utf8' });
        expect(JSON.parse(stdout)).toEqual(words);
      }),
      { numRuns: 15 },
    );
  });
});
