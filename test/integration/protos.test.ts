import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { expect, it } from 'vitest';
import { repo } from '../harness/paths.ts';
import { node } from './processHostHarness.ts';

// `npm run check` compares hashes only, which is fast; this makes the code anew.
it('generates the very code that is committed', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ow-protos-'));
  try {
    const path = [join(repo, 'node_modules/.bin'), process.env['PATH'] ?? ''].join(delimiter);
    execFileSync(node, ['scripts/generateProtos.mts', '--out', folder], {
      cwd: repo,
      env: { ...process.env, PATH: path },
      stdio: 'pipe',
    });
    const stamp = (of: string): unknown => JSON.parse(readFileSync(join(of, 'stamp.json'), 'utf8'));
    expect(stamp(folder)).toEqual(stamp(join(repo, 'src/protocol/gen')));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
