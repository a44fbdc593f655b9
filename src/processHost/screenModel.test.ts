import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type Screen, ScreenModel } from './screenModel.ts';
import { TerminalRecord } from './terminalRecord.ts';

const records: TerminalRecord[] = [];

function recordOf(...parts: string[]): TerminalRecord {
  const record = new TerminalRecord(mkdtempSync(join(tmpdir(), 'ow-screen-')), {
    size: { cols: 80, rows: 24 },
  });
  records.push(record);
  for (const part of parts) record.append(Buffer.from(part));
  return record;
}

afterEach(() => {
  for (const record of records.splice(0)) {
    record.dispose();
    rmSync(record.dir, { recursive: true, force: true });
  }
});

async function draw(record: TerminalRecord, scrollback = 1_000): Promise<Screen> {
  const model = new ScreenModel(scrollback);
  try {
    const { dir, resizes, end, unwritten } = record;
    return await model.draw({ dir, resizes, end, unwritten, scrollback });
  } finally {
    model.dispose();
  }
}

const lines = (count: number, text = 'a line of the log', from = 0): string =>
  Array.from({ length: count }, (_, index) => `${text} ${from + index}\r\n`).join('');

describe('the screen of a long record', () => {
  it('is the one of the whole record, with all of the scrollback', async () => {
    const screen = await draw(recordOf(lines(200_000)), 5_000);
    const rows = screen.data.split('\r\n');
    expect(rows[0]).toBe(`a line of the log ${200_000 - 5_000 - 23}`);
    expect(rows.length).toBe(5_024);
    expect(screen.text.split('\n')[22]).toBe('a line of the log 199999');
  });

  it('reads more where the lines are longer', async () => {
    const screen = await draw(recordOf(lines(6_000, 'x'.repeat(1_500))), 1_000);
    // Each of them takes 19 rows.
    expect(screen.data.length).toBeGreaterThan(80_000);
    expect(screen.text).toContain('5999');
  });

  it('keeps the modes of what it leaves out', async () => {
    const screen = await draw(recordOf('\x1b[?2004h\x1b[?1h', lines(100_000)));
    expect(screen.data).toContain('\x1b[?2004h');
    expect(screen.data).toContain('\x1b[?1h');
  });

  it('leaves nothing out of a full-screen program', async () => {
    const screen = await draw(
      recordOf('before\r\n\x1b[?1049h\x1b[1;1Htop of the screen', `\x1b[5;1Hbusy\n`.repeat(200_000)),
    );
    expect(screen.text.split('\n')[0]).toBe('top of the screen');
  });

  it('leaves nothing out above margins', async () => {
    const screen = await draw(recordOf('\x1b[24;1Hprogress bar\x1b[1;23r\x1b[1;1H', lines(100_000)));
    expect(screen.text.split('\n')[23]).toBe('progress bar');
  });
});
