import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { waitUntil } from '../harness/processes.ts';
import { ContainerCore } from '../harness/containerCore.ts';
import { TestEngine } from '../harness/dockerEngine.ts';

it('containers of an engine that was exchanged for another stay known, with their output, until it is back', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ow-elsewhere-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  await using first = await TestEngine.start();
  await using second = await TestEngine.start();
  /** A core on the one state directory, connected to this engine and compared with it. */
  const coreAt = async (engine: TestEngine): Promise<ContainerCore> => {
    const fixture = new ContainerCore(engine.client(), { folder });
    const core = await fixture.start();
    await core.containers.ready();
    return fixture;
  };

  let kept: string;
  let given: string;
  {
    await using fixture = await coreAt(first);
    const { containers } = fixture.core;
    const session = await fixture.session();
    kept = (await fixture.create(session.id, 'echo kept')).id;
    await containers.start(kept);
    await containers.waitForExit(kept);
    const closing = await fixture.session();
    given = (await fixture.create(closing.id, 'echo given up')).id;
  }
  {
    await using fixture = await coreAt(second);
    const { containers, sessions } = fixture.core;
    expect(containers.list().map(({ id }) => id)).toEqual([kept, given]);
    expect(await fixture.output(kept)).toBe('kept\n');
    for (const refused of [containers.start(kept), containers.remove(kept), containers.inspect(kept)]) {
      await expect(refused).rejects.toMatchObject({
        reason: 'container_engine_missing',
        message: expect.stringContaining(first.address) as string,
      });
    }
    await containers.tidy();
    // Nothing of the other engine keeps a session from being closed.
    await sessions.close(containers.get(given).sessionId);
    expect(containers.list().map(({ id }) => id)).toEqual([kept]);
    expect(first.docker('ps', '-aq', '--no-trunc').split('\n').sort()).toEqual([kept, given].sort());
  }
  await using fixture = await coreAt(first);
  const { containers } = fixture.core;
  // What its session was closed without is removed now.
  await waitUntil('only one is left', () => first.docker('ps', '-aq', '--no-trunc') === kept);
  await containers.start(kept);
  await containers.waitForExit(kept);
  expect(await fixture.output(kept)).toBe('kept\nkept\n');
});
