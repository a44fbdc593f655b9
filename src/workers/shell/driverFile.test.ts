import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeDriverFile } from './driverFile.ts';

let parent: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'ow-driver-'));
});
afterEach(() => {
  rmSync(parent, { recursive: true, force: true });
});

describe('writeDriverFile', () => {
  it('lets nobody else read it, and leaves nothing', async () => {
    const listeners = process.listenerCount('exit');
    const file = await writeDriverFile('echo', parent);
    expect(readFileSync(file.path, 'utf8')).toBe('echo');
    expect(statSync(file.path).mode & 0o777).toBe(0o600);
    expect(statSync(dirname(file.path)).mode & 0o777).toBe(0o700);
    file.remove();
    expect(readdirSync(parent)).toEqual([]);
    file.remove();
    expect(process.listenerCount('exit')).toBe(listeners);
  });

  it('fails where it cannot be written, and leaves nothing either', async () => {
    await expect(writeDriverFile('echo', join(parent, 'missing'))).rejects.toThrow('ENOENT');
    expect(existsSync(join(parent, 'missing'))).toBe(false);
  });
});
