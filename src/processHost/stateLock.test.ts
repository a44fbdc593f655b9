import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { acquireStateLock } from './stateLock.ts';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ow-lock-'));
});

afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

it('is held by one, free again once disposed, and not freed by the death of another', () => {
  const path = join(dir, 'host.lock');
  const first = acquireStateLock(path);
  expect(first).toBeDefined();
  expect(acquireStateLock(path)).toBeUndefined();
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const module = JSON.stringify(join(import.meta.dirname, 'stateLock.ts'));
  const attempt = (): string =>
    execFileSync(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `import { acquireStateLock as a } from ${module}; console.log(a(${JSON.stringify(path)}) !== undefined); process.kill(process.pid, 'SIGKILL')`,
      ],
      {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    );
  const told = (): string => {
    try {
      return attempt();
    } catch (error) {
      return String((error as { stdout: unknown }).stdout);
    }
  };
  expect(told().trim()).toBe('false');
  first?.dispose();
  expect(told().trim()).toBe('true');
  const again = acquireStateLock(path);
  expect(again).toBeDefined();
  again?.dispose();
});
