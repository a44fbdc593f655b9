import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { isAlive, waitUntil } from '../harness/processes.ts';
import { Studio } from './studio.ts';

/** Terminals of a person and of agents in one window: who owns what, and what a person does with them. */
let studio: Studio;
beforeAll(async () => {
  studio = await Studio.open({
    name: 'terminals',
    hasAgent: true,
    userSettings: { 'terminal.integrated.defaultProfile.linux': 'Orchestrator Terminal' },
  });
  await studio.showSessions();
});
afterAll(async () => {
  await studio[Symbol.asyncDispose]();
});

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await studio.workbench.screenshot(`failed-${task.id}`);
  await endAll();
});

const coordinator = 'orchestrator:coordinator-001';

/** A terminal of an agent, in which something is printed. @returns its id */
async function agentTerminal(owner: string, printed: string): Promise<string> {
  const { id } = await studio.agent.call('spawnTerminalManaged', 80, 24, owner);
  await studio.agent.call('executeTerminalCommand', id, `echo ${printed}`);
  await studio.agent.call('waitForCompletion', id);
  return id;
}

/** The row of a live terminal; ended ones stay in the tree. */
const live = (owner: string): RegExp =>
  new RegExp(`Terminal [^,]+, (?:running|idle|sleep) · ${owner}(?![:\\d])`);
/** The same for one that has no owner, by its name. */
const own = (name: string): RegExp => new RegExp(`Terminal ${name}[^,]*, (?:running|idle|sleep)`);

/** Ends every terminal, and waits until the window shows none. */
async function endAll(): Promise<void> {
  for (const { id } of await studio.agent.call('listTerminalSessions')) {
    await studio.agent.call('killTerminal', id);
  }
  await waitUntil('no tab is left', async () => (await studio.agent.call('openTabs')).length === 0);
}

describe('a terminal that an agent started', () => {
  it('is attached to from the tree, and says everywhere who owns it', async () => {
    await agentTerminal(`${coordinator}:codegen`, 'made-by-an-agent');
    const row = studio.row(live(`${coordinator}:codegen`));
    await row.waitFor();
    expect(await studio.rowText(live(`${coordinator}:codegen`))).toMatch(/^codegen.*coordinator-001$/s);
    await row.locator('.codicon-robot, .custom-view-tree-node-item-icon[class*=robot]').waitFor();

    await row.click();
    await studio.waitForTerminal(/made-by-an-agent/);
    expect(await studio.terminalScreen()).toMatch(/^Owned by orchestrator:coordinator-001:codegen/);
    await studio.page
      .locator('.single-terminal-tab .codicon-robot, .single-terminal-tab.codicon-robot')
      .waitFor();

    const hover = studio.page.locator('.monaco-hover:visible', { hasText: 'Owner' });
    // VS Code drops a tooltip that is being made when the row changes meanwhile.
    await waitUntil('the tooltip is shown', async () => {
      await studio.page.locator('.part.titlebar').hover();
      await row.hover();
      return hover.waitFor({ timeout: 4_000 }).then(
        () => true,
        () => false,
      );
    });
    expect(await hover.innerText()).toContain(`Owner: ${coordinator}:codegen`);
    await studio.workbench.screenshot('terminal-owned-tooltip');
    await studio.page.locator('.part.titlebar').hover();
    await hover.waitFor({ state: 'hidden' });

    // Typing is shared.
    await studio.typeInTerminal('echo typed-$((40 + 2))\n');
    await studio.waitForTerminal(/typed-42/);
  });

  it('has the colour of its owner in the tree and on the tab, in every theme', async () => {
    await agentTerminal(`${coordinator}:codegen`, 'code');
    await agentTerminal(`${coordinator}:test`, 'tests');
    await agentTerminal('orchestrator:review-agent-7', 'review');
    await studio.newTerminal();
    for (const owner of [`${coordinator}:codegen`, `${coordinator}:test`, 'orchestrator:review-agent-7'])
      await studio.row(live(owner)).click();
    await waitUntil('four tabs', async () => (await studio.terminalTabs()).length === 4);
    const colour = (name: string): Promise<string> =>
      studio
        .terminalTab(name)
        .locator('.codicon')
        .first()
        .evaluate((icon) => getComputedStyle(icon).color);
    for (const theme of [
      'Light Modern',
      'Dark High Contrast',
      'Light High Contrast',
      'Dark Modern',
    ] as const) {
      await studio.workbench.setTheme(theme);
      await studio.workbench.screenshot(`terminals-${theme.toLowerCase().replaceAll(' ', '-')}`);
      expect(await colour('test')).toBe(await colour('codegen'));
      expect(await colour('review-agent-7')).not.toBe(await colour('codegen'));
      expect(await colour('bash')).not.toBe(await colour('codegen'));
    }
  });

  it('is ended with all of its owner after one question that names what is lost', async () => {
    await agentTerminal(`${coordinator}:codegen`, 'code');
    const other = await agentTerminal('orchestrator:coordinator-0010', 'other');
    const busy = await agentTerminal(`${coordinator}:lint`, 'busy');
    await studio.agent.call('executeTerminalCommand', busy, 'sleep 71.5');
    const sleep = await studio.waitForProcess(/^sleep 71\.5$/);
    await studio.chooseForRow(live(`${coordinator}:codegen`), 'Kill All of This Owner');
    const dialog = studio.dialog();
    await dialog.waitFor();
    const text = await dialog.innerText();
    // The owner of the row, not the agent above it.
    expect(text).toContain(`${coordinator}:codegen`);
    expect(text).not.toContain('sleep');
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    await dialog.waitFor({ state: 'detached' });

    await agentTerminal(coordinator, 'top');
    await studio.chooseForRow(live(coordinator), 'Kill All of This Owner');
    await dialog.waitFor();
    const question = await dialog.innerText();
    expect(question).toContain(`Kill 3 terminals of ${coordinator}`);
    expect(question).toContain('sleep');
    expect(question).not.toContain('0010');
    await studio.workbench.screenshot('terminals-kill-owner');
    await dialog.getByRole('button', { name: 'Kill All' }).click();
    await waitUntil('the sleep is gone', () => !isAlive(sleep.pid));
    await waitUntil(
      'all of the owner are gone',
      async () => (await studio.agent.call('listSessionsByManager', coordinator)).length === 0,
    );
    expect((await studio.agent.call('getTerminalSessionInfo', other)).is_alive).toBe(true);
  });
});

describe('names', () => {
  it('given in the tree show on the tab, and given on the tab in the tree', async () => {
    await studio.newTerminal();
    await studio.chooseForRow(own('bash'), 'Rename Terminal');
    await studio.workbench.answer('from the tree');
    await studio.row(own('from the tree')).waitFor();
    await waitUntil('the tab has it', async () =>
      (await studio.agent.call('openTabs')).includes('from the tree'),
    );

    await studio.focusTerminal();
    await studio.workbench.runCommand('Terminal: Rename...');
    await studio.workbench.answer('from the tab');
    await studio.row(own('from the tab')).waitFor();

    // What runs in it is added, and never becomes a part of the name.
    await studio.typeInTerminal('sleep 72.5\n');
    await waitUntil('the title has the program', async () =>
      (await studio.agent.call('openTabs')).includes('from the tab: sleep'),
    );
    await studio.workbench.runCommand('Terminal: Rename...');
    await studio.workbench.answer('build: sleep');
    await studio.row(own('build')).waitFor();
  });
});

describe('ids', () => {
  it('that are printed are links to a terminal, a run and a session', async () => {
    const id = await agentTerminal('orchestrator:linked', 'the-linked-one');
    const panel = await studio.runTask('echo linked-run');
    await studio.waitForStatus(panel, 'succeeded');
    await studio.newTerminal();
    await studio.typeInTerminal(`clear; echo "terminal ${id} here"\n`);
    await studio.waitForTerminal(new RegExp(`^terminal ${id} here`, 'm'));
    await studio.followLink(id);
    await studio.waitForTerminal(/the-linked-one/);

    await studio.workbench.runCommand('Orchestrator: Copy ID');
    await studio.page.locator('.quick-input-list .monaco-list-row', { hasText: 'session' }).first().click();
    const session = await waitUntil('an id was copied', async () => {
      const text = await studio.page.evaluate(() => navigator.clipboard.readText());
      return /^[0-9a-f]{32}$/.test(text) ? text : undefined;
    });
    await studio.typeInTerminal(`clear; echo "session ${session}."\n`);
    await studio.waitForTerminal(new RegExp(`^session ${session}`, 'm'));
    await studio.followLink(session);
    await studio.page.locator('.monaco-list-row.focused[aria-label^="Session demo"]').waitFor();
  });
});

describe('places', () => {
  it('are kept by a split and by the editor area over a reload', async () => {
    // Restored before the terminal: until then VS Code cannot show one in the editor area.
    await studio.waitForStatus(await studio.runTask('echo beside'), 'succeeded');
    await studio.newTerminal();
    await studio.typeInTerminal('echo left-$((1 + 1))\n');
    await studio.waitForTerminal(/left-2/);
    await studio.chooseForRow(own('bash'), 'Split Terminal');
    await waitUntil('two side by side', async () => (await studio.splits()) === 2);

    const id = await agentTerminal('orchestrator:mover', 'moved-here');
    await studio.chooseForRow(live('orchestrator:mover'), 'Open Terminal in Editor Area');
    await studio.editorTab(/mover/).waitFor();
    await studio.workbench.screenshot('terminals-places');
    const hosts = studio.server.extensionHostPids();
    await studio.workbench.reloadWindow();
    await studio.waitForNewExtensionHost(hosts);
    await studio.editorTab(/mover/).waitFor({ timeout: 30_000 });
    await studio.waitForTerminal(/moved-here/);
    expect(await studio.page.getByText('The editor could not be opened').count()).toBe(0);
    await studio.workbench.screenshot('terminals-places-again');
    // The one in the editor area was in front, so the panel is still closed.
    await studio.row(own('bash')).first().click();
    await waitUntil('two side by side again', async () => (await studio.splits()) === 2, { limitMs: 30_000 });
    expect((await studio.agent.call('getTerminalSessionInfo', id)).is_alive).toBe(true);
  });

  it('side by side come from VS Code’s own split button too', async () => {
    await studio.newTerminal();
    await studio.focusTerminal();
    await studio.workbench.runCommand('Terminal: Split Terminal');
    await waitUntil('two side by side', async () => (await studio.splits()) === 2);
    await waitUntil(
      'both have started',
      async () => (await studio.agent.call('openTabs')).join() === 'bash,bash',
    );
    expect((await studio.agent.call('listTerminalSessions')).length).toBe(2);
  });

  it('in the editor area are reached by dragging the row of a terminal or its tab', async () => {
    await agentTerminal('orchestrator:dragged', 'dragged-row');
    const editors = studio.page.locator('.editor-group-container').first();
    await studio.drag(studio.row(live('orchestrator:dragged')), editors);
    await studio.editorTab(/dragged|bash/).waitFor();
    await studio.waitForTerminal(/dragged-row/);
    await studio.workbench.screenshot('terminals-dragged-row');

    await studio.newTerminal();
    await studio.newTerminal();
    await studio.typeInTerminal('echo dragged-$((1 + 1))\n');
    await studio.waitForTerminal(/dragged-2/);
    await studio.drag(studio.page.locator('.tabs-list .monaco-list-row').last(), editors);
    await waitUntil('both are there', async () => (await studio.editorTab(/dragged|bash/).count()) === 2);
    await studio.waitForTerminal(/dragged-2/);
  });
});
