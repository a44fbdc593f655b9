import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Studio } from './studio.ts';

/** The pictures of the README, as the product looks today; copied to docs/images by hand when it changes. */
let studio: Studio;
beforeAll(async () => {
  studio = await Studio.open({ name: 'pictures' });
});
afterAll(async () => {
  await studio[Symbol.asyncDispose]();
});

describe('the workbench at work', () => {
  it('shows sessions, a streaming run and a terminal beside each other', async () => {
    const { workbench } = studio;
    await workbench.setTheme('Dark Modern');
    await studio.showSessions();
    await studio.newTerminal();
    await studio.typeInTerminal('git init -q . ; echo hello > notes.txt; ls -la --color\n');
    await studio.waitForTerminal(/notes\.txt/);
    const done = await studio.runTask('node --version\nls /no/such/folder');
    await studio.waitForStatus(done, 'failed');
    const panel = await studio.runTask(
      'node --version\nls -la / | head -n 12\nfor i in $(seq 1 300); do echo "compiling module $i of 300"; sleep 0.1; done',
    );
    await panel.locator('#step-3-output', { hasText: 'compiling module 20' }).waitFor();
    await studio.row(/demo/).first().waitFor();
    await workbench.screenshot('workbench');

    // What the tree says of it, in words: state is never colour alone.
    const row = studio.row(/compiling|node --version/).first();
    expect(await row.getAttribute('aria-label')).toMatch(/running|step 3/);

    // Narrow, and large, nothing may be cut off or on top of something else: looked at, not measured.
    await studio.page.setViewportSize({ width: 800, height: 900 });
    await workbench.screenshot('workbench-narrow');
    await studio.page.setViewportSize({ width: 1440, height: 900 });
    await studio.page.evaluate(() => (document.body.style.zoom = '2'));
    await workbench.screenshot('workbench-200-percent');
  });
});
