import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSqliteStore } from '../../src/adapters/sqlite/sqliteStore.ts';
import { createSystemEnvironment } from '../../src/adapters/system/systemEnvironment.ts';
import { systemClock } from '../../src/base/clock.ts';
import { systemIds } from '../../src/base/ids.ts';
import { nullLogger } from '../../src/base/logger.ts';
import { Orchestrator } from '../../src/core/orchestrator.ts';
import { buildProduct } from './cliHarness.ts';
import { HostFixture } from './processHostHarness.ts';

let dist: string;

beforeAll(() => {
  dist = buildProduct();
});
afterAll(() => rmSync(dist, { recursive: true, force: true }));

it('a message in a shell session is answered by a real run, in pieces, and both are kept', async () => {
  const fixture = new HostFixture(dist);
  const home = mkdtempSync(join(tmpdir(), 'ow-home-'));
  const { store } = openSqliteStore(join(fixture.stateDir, 'orchestrator.db'));
  const env = { PATH: process.env['PATH'] ?? '', HOME: home, SHELL: '/bin/bash', LANG: 'C.UTF-8' };
  const core = new Orchestrator({
    store,
    processHost: fixture.client(),
    environment: createSystemEnvironment({ version: '1.0.0', env }),
    clock: systemClock,
    ids: systemIds,
    logger: nullLogger,
  });
  try {
    await core.start();
    const session = await core.sessions.create({});
    const gate = join(home, 'gate');
    const content = `printf 'first \\033[31mred\\033[0m\\n'\nuntil [ -e '${gate}' ]; do sleep 0.05; done\necho grüße`;
    let text = '';
    let end: object = {};
    for await (const chunk of core.chat.answer(session.id, { content })) {
      if (chunk.kind === 'text') text += chunk.text;
      if (chunk.kind === 'end') end = chunk;
      // The first piece comes while the run goes on: only then is it let go on.
      if (text.includes('first red')) writeFileSync(gate, '');
    }
    expect(text).toBe('first red\ngrüße\n');
    expect(end).toMatchObject({ outcome: 'succeeded', answer: { content: text, role: 'assistant' } });
    expect(core.messages.list({ sessionId: session.id }).map(({ role }) => role)).toEqual([
      'user',
      'assistant',
    ]);
  } finally {
    await core.close();
    store.dispose();
    await fixture.dispose();
    rmSync(home, { recursive: true, force: true });
  }
});
