import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitUntil } from '../harness/processes.ts';
import { Studio } from './studio.ts';

let studio: Studio;
beforeAll(async () => {
  studio = await Studio.open({ name: 'windows' });
});
afterAll(async () => {
  await studio[Symbol.asyncDispose]();
});

describe('two windows', () => {
  it('on different folders run side by side', async () => {
    const first = studio.workbench;
    const panel = await studio.runTask('echo first; sleep 1');
    const second = await studio.browser.open(studio.server.url(await studio.otherFolder('other')));
    studio.workbench = second;
    const otherPanel = await studio.runTask('echo second');
    await studio.waitForStatus(otherPanel, 'succeeded');
    studio.workbench = first;
    await first.page.bringToFront();
    await studio.waitForStatus(panel, 'succeeded');
    await second.page.close();
  });

  it('on the same folder: the second says who has it, and takes over only when asked', async () => {
    const first = studio.workbench;
    await studio.showSessions();
    const second = await studio.browser.open(studio.server.url(studio.folder));
    studio.workbench = second;
    await studio.showSessions();
    await second.page
      .getByText(/another window/i)
      .first()
      .waitFor({ timeout: 30_000 });
    await second.screenshot('in-use');

    // The first one is untouched: it still runs tasks.
    studio.workbench = first;
    await first.page.bringToFront();
    await studio.waitForStatus(await studio.runTask('echo still mine'), 'succeeded');

    studio.workbench = second;
    await second.page.bringToFront();
    await second.runCommand('Orchestrator: Take Over State');
    await second.page.locator('.monaco-dialog-box').getByRole('button', { name: 'Take Over' }).click();
    await waitUntil(
      'the second window has the sessions',
      async () => (await studio.row(/demo/).count()) > 0,
      {
        limitMs: 30_000,
      },
    );
    await studio.waitForStatus(await studio.runTask('echo mine now'), 'succeeded');
  });
});

describe('an untrusted workspace', () => {
  it('starts no process and opens no listener, and says why', async () => {
    await using untrusted = await Studio.open({ name: 'untrusted', workspaceTrust: true });
    await untrusted.showSessions();
    await untrusted.page.getByText(/This workspace is not trusted, so nothing is started here/).waitFor();
    await untrusted.workbench.screenshot('untrusted');
    expect(untrusted.processes(/processHost\.js|worker\.js/)).toEqual([]);
    expect(ownSockets(untrusted)).toEqual([]);
  });
});

/** Unix sockets below the folders of this editor. */
function ownSockets(one: Studio): string[] {
  return readdirSync(one.server.folders.serverData, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isSocket() && !entry.parentPath.includes('vscode'))
    .map((entry) => entry.name);
}
