import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Locator } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { TestEngine } from '../harness/dockerEngine.ts';
import { waitUntil } from '../harness/processes.ts';
import { TestBridge } from '../harness/pythonImage.ts';
import { testImage } from '../harness/testImage.ts';
import type { ThemeName } from '../harness/browser.ts';
import { Studio } from './studio.ts';

/** Containers of a real engine, made and used by hand: the tests go on from each other's, as a person's day does. */
let bridge: TestBridge;
let engine: TestEngine;
let studio: Studio;

beforeAll(async () => {
  bridge = new TestBridge();
  engine = await TestEngine.start(bridge.name);
  studio = await Studio.open({
    name: 'containers',
    settings: { 'orchestrator.containers.engine': engine.address },
  });
  await studio.showSessions();
}, 400_000);
afterAll(async () => {
  await studio[Symbol.asyncDispose]();
  await engine[Symbol.asyncDispose]();
  bridge[Symbol.dispose]();
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await studio.workbench.screenshot(`failed-${task.id}`);
});

const themes: readonly ThemeName[] = [
  'Light Modern',
  'Dark High Contrast',
  'Light High Contrast',
  'Dark Modern',
];

async function inEveryTheme(name: string): Promise<void> {
  for (const theme of themes) {
    await studio.workbench.setTheme(theme);
    await studio.workbench.screenshot(`containers-${name}-${theme.toLowerCase().replaceAll(' ', '-')}`);
  }
}

/** The row of a container by its name and a part of how it is. */
const row = (name: string, state = ''): Locator => studio.row(new RegExp(`^Container ${name}, ${state}`));
const toast = (text: string | RegExp): Locator =>
  studio.page.locator('.notifications-toasts .notification-list-item', { hasText: text });
const field = (label: string): Locator =>
  studio.workbench.quickInput().locator('.monaco-list-row', {
    has: studio.page.locator('.label-name', { hasText: new RegExp(`^${label}$`) }),
  });
const title = (text: string | RegExp): Locator =>
  studio.workbench.quickInput().locator('.quick-input-title', { hasText: text });

/** Changes a text of the form. */
async function fill(label: string, text: string): Promise<void> {
  await field(label).click();
  await title(label).waitFor();
  await studio.workbench.answer(text);
  await title('Create container of').waitFor();
}

interface Wanted {
  readonly name: string;
  readonly command?: string;
  readonly ports?: string;
  readonly environment?: string;
  readonly switches?: readonly string[];
}

/** Chooses the test image afresh, not as it was used before. */
async function chooseImage(): Promise<void> {
  const fresh = studio.workbench
    .quickInput()
    .locator('.monaco-list-row', { hasText: testImage })
    .filter({ hasText: /MiB · made/ });
  // The palette, closing late, may take the focus and with it the question.
  await waitUntil(
    'the image is chosen',
    async () => {
      await studio.workbench.runCommand('Orchestrator: Create Container…');
      return await fresh.click({ timeout: 4_000 }).then(
        () => true,
        () => false,
      );
    },
    { limitMs: 40_000 },
  );
  await title(`Create container of ${testImage}`).waitFor();
}

async function create({ name, command, ports, environment, switches = [] }: Wanted): Promise<void> {
  await chooseImage();
  await fill('Name', name);
  if (command !== undefined) await fill('Command', command);
  if (ports !== undefined) await fill('Ports', ports);
  if (environment !== undefined) await fill('Environment', environment);
  for (const label of switches) await field(label).click();
  await field('Create and Start').click();
}

/** Answers the modal question. */
async function answerDialog(button: string): Promise<string> {
  const dialog = studio.dialog();
  await dialog.waitFor();
  const text = await dialog.innerText();
  await dialog.getByRole('button', { name: button, exact: true }).click();
  await dialog.waitFor({ state: 'detached' });
  return text;
}

const counting = `sh -c 'i=0; while :; do i=$((i+1)); echo line $i; sleep 0.1; done'`;

describe('without an engine', () => {
  it('Create Container says what is missing, and Retry goes on', async () => {
    await engine.end('SIGTERM');
    await studio.workbench.runCommand('Orchestrator: Create Container…');
    const problem = toast(/No container engine answers/);
    await problem.waitFor();
    await problem.getByRole('button', { name: 'Install Guide' }).waitFor();
    await studio.workbench.screenshot('containers-no-engine');
    await engine.begin();
    await problem.getByRole('button', { name: 'Retry' }).click();
    await title(/Create container in/).waitFor();
    await studio.workbench.quickInput().getByText(testImage, { exact: true }).waitFor();
    await studio.workbench.screenshot('containers-images');
    await studio.page.keyboard.press('Escape');
  });
});

describe('a container', () => {
  it('is made by a form that refuses what cannot be', async () => {
    await chooseImage();
    await fill('Name', 'web');
    await fill(
      'Command',
      `sh -c 'echo hello from $GREETED > /tmp/index.html; exec httpd -f -p 8080 -h /tmp'`,
    );
    await field('Ports').click();
    await title('Ports').waitFor();
    await studio.workbench.answer('eighty');
    await studio.page.getByText('"eighty" is no port').waitFor();
    await studio.workbench.screenshot('containers-form-refuses');
    await studio.workbench.answer('8080');
    await title('Create container of').waitFor();
    await fill('Environment', 'GREETED="the container"');
    await field('Folder').click();
    await field('Folder').getByText('read-only').waitFor();
    await inEveryFormTheme();
    await field('Create and Start').click();
    await row('web', 'running').waitFor();
    expect(engine.docker('ps', '--format', '{{.Image}}')).toBe(testImage);
  });

  it('shows its image, state, port and what it uses in its row, and the rest in its tooltip', async () => {
    const shown = row(
      'web',
      String.raw`running, port \d+ to 8080, processor \d+ %, memory .+, image ${testImage}`,
    );
    await shown.waitFor();
    expect(await studio.rowText(/^Container web/)).toMatch(
      /^web\s*running · \d+→8080 · \d+ % · .*workbench-test/s,
    );
    await inEveryTheme('row');
    const hover = studio.page.locator('.monaco-hover:visible', { hasText: 'GREETED' });
    await waitUntil('the tooltip is shown', async () => {
      await studio.page.locator('.part.titlebar').hover();
      await shown.hover();
      return hover.waitFor({ timeout: 4_000 }).then(
        () => true,
        () => false,
      );
    });
    const text = (await hover.innerText()).replaceAll('\u00a0', ' ');
    expect(text).toContain('/workspace (read-only)');
    expect(text).not.toContain('the container"');
    await studio.workbench.screenshot('containers-tooltip');
    await studio.page.locator('.part.titlebar').hover();
  });

  it('is opened in the browser at its published port', async () => {
    const opening = studio.browser.context.waitForEvent('page');
    await studio.chooseForRow(/^Container web/, 'Open Port in Browser');
    const page = await opening;
    const port = engine.docker('port', idOf('web'), '8080/tcp').split(':').at(-1) ?? '';
    // This server has no front that forwards ports: that the right one was asked for is seen by the address.
    expect(page.url()).toMatch(
      new RegExp(`^http://(localhost|127\\.0\\.0\\.1):(${port}|\\d+/proxy/${port})/`),
    );
    await page.close();
    const answer = await fetch(`http://127.0.0.1:${port}/`);
    expect(await answer.text()).toBe('hello from the container\n');
  });

  it('is inspected as a document without the values of its environment', async () => {
    await studio.chooseForRow(/^Container web/, 'Inspect Container');
    await studio.editorTab('web.json').waitFor();
    const editor = studio.page.locator('.editor-instance .view-lines');
    await editor.getByText('"Id"').first().waitFor();
    await studio.page
      .locator('.editor-status-mode, [id="status.editor.mode"]', { hasText: 'JSON' })
      .waitFor();
    await studio.workbench.screenshot('containers-inspect');
    await studio.workbench.runCommand('Select All');
    await studio.page.keyboard.press('Control+A');
    await studio.page.keyboard.press('Control+C');
    const text = await studio.page.evaluate(() => navigator.clipboard.readText());
    const inspected = JSON.parse(text) as { readonly Config: { readonly Env: readonly string[] } };
    expect(inspected.Config.Env).toContain('GREETED=…');
    await studio.workbench.runCommand('View: Close All Editors');
  });

  it('is stopped after a question that names what is lost, started, and removed', async () => {
    await studio.chooseForRow(/^Container web/, 'Stop Container');
    await studio.dialog().waitFor();
    await studio.workbench.screenshot('containers-stop');
    expect(await answerDialog('Cancel')).toMatch(
      /Stop container "web"\?.*workbench-test.*running for.*kept/s,
    );
    expect(engine.docker('ps', '--quiet')).not.toBe('');
    await studio.chooseForRow(/^Container web/, 'Stop Container');
    await answerDialog('Stop');
    await row('web', 'stopped, code').waitFor({ timeout: 30_000 });
    await studio.chooseForRow(/^Container web/, 'Start Container');
    await row('web', 'running').waitFor();
    await studio.chooseForRow(/^Container web/, 'Remove Container');
    expect(await answerDialog('Remove')).toMatch(/still running.*cannot be undone/s);
    await row('web').waitFor({ state: 'detached' });
    expect(engine.docker('ps', '--all', '--quiet')).toBe('');
  });

  it('is paused, goes on, is restarted and killed', async () => {
    await create({ name: 'counter', command: counting });
    await row('counter', 'running').waitFor();
    await studio.chooseForRow(/^Container counter/, 'Pause Container');
    await row('counter', 'paused').waitFor();
    await studio.workbench.screenshot('containers-paused');
    await studio.chooseForRow(/^Container counter/, 'Resume Container');
    await row('counter', 'running').waitFor();
    const pid = (): string => engine.docker('inspect', '--format', '{{.State.Pid}}', idOf('counter'));
    const before = pid();
    await studio.chooseForRow(/^Container counter/, 'Kill Container');
    expect(await answerDialog('Kill')).toContain('can save nothing');
    await row('counter', 'killed, code 137').waitFor();
    await studio.workbench.screenshot('containers-killed');
    await row('counter').click();
    await studio.page.keyboard.press('Delete');
    await studio.dialog().waitFor();
    await answerDialog('Cancel');
    await studio.chooseForRow(/^Container counter/, 'Start Container');
    await row('counter', 'running').waitFor();
    expect(pid()).not.toBe(before);
  });
});

describe('what a container prints', () => {
  it('is followed in a terminal, from before and over its restart', async () => {
    const shown = row('counter', 'running');
    await shown.hover();
    await shown.getByRole('button', { name: 'Show Container Logs' }).click();
    const first = await studio.waitForTerminal(/line \d+\n(.*\n)*.*line \d+/);
    const last = Number(/line (\d+)\s*$/.exec(first.trim())?.[1]);
    await studio.waitForTerminal(new RegExp(`line ${last + 20}$`, 'm'));
    await inEveryTheme('logs');
    await studio.chooseForRow(/^Container counter/, 'Restart Container');
    await studio.waitForTerminal(
      /\[stopped, code \d+\. When it is started again, it goes on here\.\]/,
      40_000,
    );
    await studio.waitForTerminal(/goes on here\.\]\s+line 1\n/, 40_000);
    await studio.focusTerminal();
    await studio.page.keyboard.press('Control+C');
    await studio.page.locator('.terminal-wrapper.active').waitFor({ state: 'detached' });
  });

  it('is there again after a reload, and so is its row', async () => {
    await studio.workbench.reloadWindow();
    await row('counter', 'running').waitFor({ timeout: 60_000 });
    // VS Code hides its empty terminal view once, a moment after its start: what is clicked before may be hidden too.
    await waitUntil(
      'the output is shown',
      async () => {
        await row('counter', 'running').click();
        return await studio.waitForTerminal(/line \d+/, 3_000).then(
          () => true,
          () => false,
        );
      },
      { limitMs: 40_000 },
    );
    expect(await studio.terminalText()).toMatch(/line 1\n/);
  });
});

describe('a shell in a container', () => {
  it('is a terminal of its own, with its size, and its end is told', async () => {
    await studio.markTerminals();
    await studio.chooseForRow(/^Container counter/, 'Open Shell in Container');
    await studio.waitForNewTerminal();
    await studio.waitForTerminal(/[$#] ?$/m);
    await studio.typeInTerminal('hostname; stty size; echo $TERM\n');
    const size = /(\d+) (\d+)\n/.exec(await studio.waitForTerminal(/\d+ \d+\nxterm-256color/));
    await studio.workbench.screenshot('containers-shell');
    await studio.page.setViewportSize({ width: 1100, height: 900 });
    await waitUntil('the size has come there', async () => {
      await studio.typeInTerminal('clear; stty size\n');
      const narrow = /^(\d+) (\d+)$/m.exec(await studio.waitForTerminal(/^\d+ \d+$/m));
      return Number(narrow?.[2]) < Number(size?.[2]);
    });
    await studio.page.setViewportSize({ width: 1440, height: 900 });
    await studio.typeInTerminal('clear; exit 3\n');
    await studio.waitForTerminal(/\[The shell ended with exit code 3\. Press any key to close this tab\.\]/);
    await studio.page.keyboard.press('Enter');
    await waitUntil('the tab is closed', async () => (await studio.terminalTabs()).length === 0);
  });

  it('ends with its tab', async () => {
    await studio.markTerminals();
    await studio.chooseForRow(/^Container counter/, 'Open Shell in Container');
    await studio.waitForNewTerminal();
    await studio.waitForTerminal(/[$#] ?$/m);
    await studio.typeInTerminal('sleep 84.5\n');
    const sleeps = (): boolean => engine.docker('top', idOf('counter')).includes('sleep 84.5');
    await waitUntil('the sleep is there', sleeps);
    await studio.workbench.runCommand('Terminal: Kill the Active Terminal Instance');
    await waitUntil('the sleep is gone', () => !sleeps());
  });
});

describe('a container with a terminal', () => {
  it('is attached to at once, and takes what is typed', async () => {
    await studio.markTerminals();
    await create({ name: 'typed', command: 'sh', switches: ['Terminal', 'Remove when it stops'] });
    await studio.waitForNewTerminal();
    await studio.waitForTerminal(/What you type goes to typed/);
    await studio.typeInTerminal('echo sum-$((40 + 2))\n');
    await studio.waitForTerminal(/sum-42/);
    await studio.workbench.screenshot('containers-attached');
    await studio.typeInTerminal('exit\n');
    await studio.waitForTerminal(/typed was removed/);
    await row('typed').waitFor({ state: 'detached' });
    await studio.page.keyboard.press('Enter');
  });
});

describe('what goes wrong', () => {
  it('is told of one that ends at once, with its output', async () => {
    await create({ name: 'broken', command: `sh -c 'echo no such config >&2; exit 3'` });
    const told = toast(/"broken" ended at once: exited, code 3/);
    await told.waitFor();
    await row('broken', 'exited, code 3').waitFor();
    await studio.workbench.screenshot('containers-ended-at-once');
    await told.getByRole('button', { name: 'Show Its Output' }).click();
    await studio.waitForTerminal(/no such config/);
    await inEveryTheme('broken');
  });

  it('leaves the form to be mended', async () => {
    await create({ name: 'nowhere', command: '/no/such/program' });
    await toast(/The container was not created.*no such file/s).waitFor();
    await title('Create container of').waitFor();
    await fill('Command', 'sleep 600');
    await field('Create and Start').click();
    await row('nowhere', 'running').waitFor();
    await studio.workbench.runCommand('Notifications: Clear All Notifications');
  });

  it('several are removed at once, by one question', async () => {
    await row('broken').click();
    await row('nowhere').click({ modifiers: ['Control'] });
    await row('nowhere').click({ button: 'right' });
    const item = studio.page.getByRole('menuitem', { name: 'Remove Container', exact: true });
    await item.hover();
    await item.press('Enter');
    expect(await answerDialog('Remove')).toMatch(/Remove 2 containers\?.*1 is still running/s);
    await row('broken').waitFor({ state: 'detached' });
    await row('nowhere').waitFor({ state: 'detached' });
  });
});

describe('an image', () => {
  it('is built from a Dockerfile of the workspace, and offered with what was used before', async () => {
    const lines = [`FROM ${testImage}`, 'RUN echo built > /made', 'CMD ["sh", "-c", "cat /made; sleep 600"]'];
    await writeFile(join(studio.folder, 'Dockerfile'), lines.join('\n'));
    await studio.workbench.runCommandAndPick('Orchestrator: Create Container…', 'Build from a Dockerfile…');
    await title(/Build Dockerfile/).waitFor();
    await studio.workbench.answer('demo-app:1');
    await title('Create container of demo-app:1').waitFor({ timeout: 60_000 });
    await fill('Name', 'app');
    await field('Create and Start').click();
    await row('app', 'running').waitFor();
    await row('app').click();
    await studio.waitForTerminal(/^built/);
    await studio.workbench.runCommand('Orchestrator: Create Container…');
    await studio.workbench.quickInput().getByText('used before').first().waitFor();
    await studio.workbench.screenshot('containers-recent');
    await studio.page.keyboard.press('Escape');
  });

  it('that there is none of is told', async () => {
    await studio.workbench.runCommandAndPick('Orchestrator: Create Container…', 'Pull an image…');
    await title('Pull an image').waitFor();
    await studio.workbench.answer('127.0.0.1:9/no/such:image');
    await toast(/The container was not created/).waitFor({ timeout: 30_000 });
    await studio.workbench.runCommand('Notifications: Clear All Notifications');
  });
});

describe('when the engine goes away', () => {
  it('the tree says so, and is right again when it is back', async () => {
    await engine.end('SIGTERM');
    await studio.page.getByText('The container engine does not answer.').waitFor({ timeout: 30_000 });
    await studio.workbench.screenshot('containers-engine-gone');
    await engine.begin();
    await studio.page.getByText('The container engine does not answer.').waitFor({
      state: 'detached',
      timeout: 60_000,
    });
  });
});

async function inEveryFormTheme(): Promise<void> {
  // A palette for the theme would close the form: one theme is enough here, the others have the list of images.
  await studio.workbench.screenshot('containers-form');
}

function idOf(name: string): string {
  const label = 'dev.orchestration-workbench.name';
  return engine.docker('ps', '--all', '--quiet', '--filter', `label=${label}=${name}`);
}
