import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Terminal } from '@xterm/headless';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ScreenModel } from './screenModel.ts';
import { TerminalRecord } from './terminalRecord.ts';

/** What a program may write so that a terminal answers, reports, or touches more than its own screen. */
const attacks = [
  '\x1b[c',
  '\x1b[0c',
  '\x1b[>c',
  '\x1b[=c',
  '\x1bZ',
  '\x1b[5n',
  '\x1b[6n',
  '\x1b[?6n',
  '\x1b[?15n',
  '\x1b[?996n',
  '\x1b[>q',
  '\x1b[x',
  '\x1b[?u',
  '\x1b[4$p',
  '\x1b[?2004$p',
  '\x1b[14t',
  '\x1b[18t',
  '\x1b[20t',
  '\x1b[21t',
  '\x1b[22;0t',
  '\x1b[23;0t',
  '\x1b[1*y',
  '\x1bP$qm\x1b\\',
  '\x1bP$qr\x1b\\',
  '\x1bP+q544e\x1b\\',
  '\x1bP1$r0m\x1b\\',
  '\x1b]4;1;?\x07',
  '\x1b]10;?\x1b\\',
  '\x1b]11;?\x07',
  '\x1b]12;?\x07',
  '\x1b]52;c;?\x07',
  '\x1b]52;c;ZWNobyBwd25lZA==\x07',
  '\x1b]52;p;ZWNobyBwd25lZA==\x1b\\',
  '\x1b]0;title; rm -rf ~\x07',
  '\x1b]2;title\nwith a line\x1b\\',
  '\x1b]l-title\x1b\\',
  '\x1b]7;file://elsewhere/etc\x07',
  '\x1b]8;;file:///etc/passwd\x07link\x1b]8;;\x07',
  '\x1b]9;9;/etc\x07',
  '\x1b]50;?\x07',
  '\x1b]133;A\x07',
  '\x1b]633;E;echo forged;0\x07',
  '\x1b]633;P;Cwd=/etc\x07',
  '\x1b]1337;SetUserVar=a=b\x07',
  '\x1b]1337;File=inline=1:AAAA\x07',
  '\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\',
  '\x1b^message\x1b\\',
  '\x1bXstring\x1b\\',
  '\x05',
  '\x9b6n',
  '\u009b6n',
  '\u009d52;c;?\u009c',
  '\u0090$qm\u009c',
  '\x1b[?1049h',
  '\x1b[?1049l',
  '\x1b[?1000;1006h',
  '\x1b[?1004h',
  '\x1b[5;10r',
  '\x1b[?6h',
  '\x1b(0',
  '\x1bc',
  '\x1b[!p',
  '\x1b[8m',
  '\x1b[9999;9999H',
  'a\x1b[2147483647b',
  '\x1b[2147483647S',
  '\x1b[2147483647T',
  '\x1b[2147483647L',
  '\x1b[2147483647M',
  '\x1b[2147483647I',
  '\x1b[2147483647Z',
  '\x1b[2147483647@',
  '\x1b[2147483647P',
  '\x1b[2147483647X',
];

/** Parts that make others whole, or that they are hidden in. */
const fragments = [
  '\x1b',
  '\x1b[',
  '\x1b]',
  '\x1bP',
  '\x1b\\',
  '\x07',
  '?',
  ';',
  '52;c;',
  'c',
  'n',
  '6n',
  '\x18',
  '\x00',
];

const piece = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...attacks).map((text) => Buffer.from(text)) },
  { weight: 1, arbitrary: fc.constantFrom(...attacks).map((text) => Buffer.from(text, 'latin1')) },
  { weight: 2, arbitrary: fc.constantFrom(...fragments).map((text) => Buffer.from(text)) },
  { weight: 2, arbitrary: fc.string({ unit: 'grapheme', maxLength: 20 }).map((text) => Buffer.from(text)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)) },
);

/** All that a snapshot may hold besides text: it draws, moves, colours, and sets modes. */
const harmless = /\x1b(?:\[[\d;]*[ABCDHJKXmr]|\[\?[\d;]+[hl]|\[4h|\[[1-6] q|=|c)|[\r\n]/g;
const control = /[\x00-\x1f\x7f-\x9f]/;

function answersOf(data: string, cols: number, rows: number): Promise<string> {
  const terminal = new Terminal({ cols, rows, allowProposedApi: true, logLevel: 'off' });
  let answers = '';
  terminal.onData((text) => (answers += text));
  terminal.onBinary((text) => (answers += text));
  return new Promise((resolve) => {
    terminal.write(data, () => {
      terminal.dispose();
      resolve(answers);
    });
  });
}

it('makes no terminal answer, and holds no string of control', { timeout: 60_000 }, async () => {
  const dir = mkdtempSync(join(tmpdir(), 'ow-hostile-'));
  let count = 0;
  try {
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { minLength: 1, maxLength: 30 }),
        fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 3 }),
        fc.boolean(),
        async (pieces, cuts, isOtherSize) => {
          const bytes = Buffer.concat(pieces);
          const record = new TerminalRecord(join(dir, String(count++)), {
            isNew: true,
            size: { cols: 40, rows: 10 },
          });
          const model = new ScreenModel(1_000);
          let from = 0;
          for (const size of [...cuts, bytes.length]) {
            record.append(bytes.subarray(from, from + size));
            from = Math.min(bytes.length, from + size);
            const screen = await model.draw({
              dir: record.dir,
              resizes: record.resizes,
              end: record.end,
              unwritten: record.unwritten,
              scrollback: 100,
              ...(isOtherSize ? { cols: 25, rows: 7 } : {}),
            });
            expect(screen.offset).toBeLessThanOrEqual(record.end);
            expect(screen.data.replace(harmless, '')).not.toMatch(control);
            expect(screen.text.replaceAll('\n', '')).not.toMatch(control);
            expect(await answersOf(screen.data, screen.cols, screen.rows)).toBe('');
          }
          model.dispose();
          record.dispose();
          rmSync(record.dir, { recursive: true });
        },
      ),
      { numRuns: 300 },
    );
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
