import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FrameLocator } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestEngine } from '../harness/dockerEngine.ts';
import { waitUntil } from '../harness/processes.ts';
import { importPythonImage, pythonImage, TestBridge } from '../harness/pythonImage.ts';
import { seedExamples, seedProgram, socketRequests } from '../integration/seedProgram.ts';
import { Studio } from './studio.ts';

/** The seed's Python, unchanged, in containers of a real engine, watched in the real editor. */
let bridge: TestBridge;
let engine: TestEngine;
let studio: Studio;

beforeAll(async () => {
  bridge = new TestBridge();
  engine = await TestEngine.start(bridge.name);
  await importPythonImage(engine);
  studio = await Studio.open({ name: 'containerTasks', env: { DOCKER_HOST: engine.address } });
}, 400_000);
afterAll(async () => {
  await studio[Symbol.asyncDispose]();
  await engine[Symbol.asyncDispose]();
  bridge[Symbol.dispose]();
});

const row = (state: RegExp, name = 'Seed') =>
  studio.row(new RegExp(`^Container task ${name}, .*${state.source}`));
const statusItem = (text: string) => studio.page.locator('.statusbar-item', { hasText: text });
const toast = (text: string | RegExp) => studio.page.locator('.notification-toast', { hasText: text });
const gate = (name: string | number) => join(studio.folder, 'gates', String(name));
const open = (name: string | number) => writeFile(gate(name), '');

interface TaskOptions {
  readonly name: string;
  /** A line of the program each; the first begins when gate 1 is open, and so on. */
  readonly calls: readonly string[];
  readonly before?: string;
  readonly container?: object;
  readonly more?: object;
}

/** Writes `<id>.task.json` and its program, whose calls wait for the test one by one. */
async function writeTask(id: string, { name, calls, before = '', container = {}, more = {} }: TaskOptions) {
  await rm(join(studio.folder, 'gates'), { recursive: true, force: true });
  await mkdir(join(studio.folder, 'gates'));
  // The containers' users are not ours.
  await chmod(join(studio.folder, 'gates'), 0o755);
  const wait = `
import os as _os, time as _time
def wait_for(gate):
    while not _os.path.exists(f"/gates/{gate}"): _time.sleep(0.02)
`;
  const gated = calls.map((call, index) => `wait_for(${index + 1})\n${call}`).join('\n');
  await writeFile(join(studio.folder, `${id}.py`), `${before}${seedProgram}${wait}${gated}\n`);
  const manifest = {
    id,
    name,
    requirements: [{ type: 'ADDON', value: 'ORCA_TASK' }],
    container: {
      image: pythonImage,
      command: ['python3', '/task.py'],
      mounts: [
        { source: `${id}.py`, target: '/task.py', isReadOnly: true },
        { source: 'gates', target: '/gates', isReadOnly: true },
      ],
      ...container,
    },
    restart: 'never',
    ...more,
  };
  await writeFile(join(studio.folder, `${id}.task.json`), JSON.stringify(manifest, null, 2));
}

async function startTask(id: string, expected: RegExp): Promise<FrameLocator> {
  await studio.workbench.runCommandAndPick('Orchestrator: Start Container Task…', id);
  await agree(expected);
  const panel = studio.panel();
  await panel.locator('.task-view').waitFor();
  return panel;
}

/** By the explorer, which takes the place of our view. */
async function openFile(name: string): Promise<void> {
  await studio.workbench.runCommand('View: Show Explorer');
  await studio.page.getByRole('treeitem', { name, exact: true }).dblclick();
  await studio.page.locator('.tab.active', { hasText: name }).waitFor();
}

async function agree(expected: RegExp): Promise<void> {
  await studio.dialog().filter({ hasText: expected }).waitFor();
  await studio.dialog().getByRole('button', { name: 'Start', exact: true }).click();
}

/** What the panel's log says, an entry each. */
async function logOf(panel: FrameLocator): Promise<string[]> {
  const entries = await panel.locator('.task-entry').all();
  return Promise.all(
    entries.map(async (entry) => {
      const part = async (name: string): Promise<string> =>
        (await entry.locator(`.task-${name}`).innerText()).trim();
      return `${await part('level')}: ${await part('text')} (${await part('action')})`;
    }),
  );
}

const examples = seedExamples.trim().split('\n');
const story = [
  'Status: Processing item X (50 %) (OrcaStatusUpdate)',
  'Info: Read (OrcaLogEntry)',
  'Status: Processing item Y (75 %) (OrcaStatusUpdate)',
  'Error: Something failed (OrcaLogEntry)',
  'Status: Done (100 %) (OrcaStatusUpdate)',
  'Result: completed (OrcaTaskResult)',
];
/** What the tree says after each of them. */
const inTree = [
  /running, 50 % · Processing item X/,
  /running, 50 % · Processing item X/,
  /running, 75 % · Processing item Y/,
  /running, 75 % · Processing item Y.*1 error/,
  /running, 100 % · Done.*1 error/,
  /succeeded/,
];

/** Opens the gates one by one, and looks at panel and tree after each. */
async function watch(panel: FrameLocator, pictures: Readonly<Record<number, string>> = {}): Promise<void> {
  for (const [index, state] of inTree.entries()) {
    await open(index + 1);
    await panel.locator('.task-entry').nth(index).waitFor();
    await row(state).first().waitFor();
    expect(await logOf(panel)).toEqual(story.slice(0, index + 1));
    const picture = pictures[index];
    if (picture !== undefined) await pictureInAllThemes(picture);
  }
}

async function pictureInAllThemes(name: string): Promise<void> {
  for (const theme of ['Light Modern', 'Dark High Contrast', 'Light High Contrast', 'Dark Modern'] as const) {
    await studio.workbench.setTheme(theme);
    await studio.workbench.screenshot(`${name}-${theme.toLowerCase().replaceAll(' ', '-')}`);
  }
}

describe('container tasks in the real VS Code', () => {
  it("run the seed's example, told in order in the panel, the tree and the status bar", async () => {
    await studio.showSessions();
    await writeTask('task-001', { name: 'Seed', calls: examples });
    const panel = await startTask('task-001', /uses the network.*reads .*task-001\.py/s);
    await row(/running|starting/)
      .first()
      .waitFor();
    await open(1);
    await statusItem('Seed 50 %').waitFor();
    await watch(panel, { 3: 'container-task-running' });
    await studio.waitForStatus(panel, 'succeeded');
    await statusItem('Seed').waitFor({ state: 'detached' });
    await pictureInAllThemes('container-task-done');

    // Its result as a document, formatted.
    await panel.getByRole('button', { name: 'Open Result' }).click();
    await studio.editorTab('Seed.json').waitFor();
    await studio.page.locator('.view-lines', { hasText: '"output_cid": "bafy..."' }).waitFor();
    await studio.workbench.screenshot('container-task-result');
  });

  it('look the same after a reload, from the events alone', async () => {
    await row(/succeeded/).click();
    await studio.workbench.reloadWindow();
    await studio.showSessions();
    await row(/succeeded/)
      .first()
      .click();
    await studio.page.locator('.tab.active', { hasText: 'Seed' }).waitFor();
    await studio.panel().locator('.kind-result').waitFor();
    expect(await logOf(studio.panel())).toEqual(story);
  });

  it('do the same with no network, over the Unix socket, started from the editor', async () => {
    await writeTask('task-002', {
      name: 'Socket',
      calls: examples.slice(0, 6),
      before: socketRequests,
      container: { network: 'none' },
    });
    await openFile('task-002.task.json');
    await studio.showSessions();
    await studio.page
      .getByRole('button', { name: /^Start Container Task/ })
      .first()
      .click();
    await agree(/reads .*task-002\.py/s);
    const panel = studio.panel();
    await panel.locator('.task-view').waitFor();
    for (const [index] of story.entries()) {
      await open(index + 1);
      await panel.locator('.task-entry').nth(index).waitFor();
    }
    await studio.waitForStatus(panel, 'succeeded');
    expect(await logOf(panel)).toEqual(story);
    await row(/succeeded/, 'Socket')
      .first()
      .waitFor();
  });

  it('notify of errors and results as one, when nobody looks, and the badge counts them', async () => {
    const call = (type: string, data: string) =>
      `send_update_to_koii_node(event_type="${type}", data=${data})`;
    await writeTask('task-003', {
      name: 'Told',
      calls: [
        call('status_update', '{"message": "Working", "progress": 10}'),
        `${call('log_entry', '{"level": "error", "message": "Bad shelf"}')}\n${call('task_result', '{"status": "completed"}')}`,
      ],
    });
    const panel = await startTask('task-003', /uses the network/);
    await open(1);
    await panel.locator('.task-entry').first().waitFor();
    // Elsewhere: another editor in front, another view in the side bar.
    await openFile('task-003.task.json');
    await statusItem('Told 10 %').waitFor();
    await open(2);
    await toast('Orca Result (task-0...): Status - completed · 1 error').waitFor();
    expect(await toast('Orca Status').count()).toBe(0);
    const badge = studio.page.locator(
      '.activitybar [aria-label*="Orchestrator"] ~ .badge .badge-content, .activitybar .action-item:has([aria-label*="Orchestrator"]) .badge-content',
    );
    await waitUntil('the badge counts them', async () => (await badge.first().innerText()) === '2');
    await studio.workbench.screenshot('container-task-notification');
    await toast('Orca Result').getByRole('button', { name: 'Show Task' }).click();
    await studio.page.locator('.tab.active', { hasText: 'Told' }).waitFor();
    await waitUntil('the badge is gone', async () => !(await badge.first().isVisible()));
    await studio.showSessions();
  });

  it('wait for the next try and say why, and are stopped, retried and removed', async () => {
    await writeTask('task-004', {
      name: 'Flaky',
      calls: ['print("no such shelf", flush=True); raise SystemExit(3)'],
      more: { restart: { initialDelayMs: 60_000 } },
    });
    const panel = await startTask('task-004', /uses the network/);
    await row(/running/, 'Flaky')
      .first()
      .waitFor();
    await open(1);
    await row(/retry 1 in (1:00|\d+ s) · The container ended with exit code 3\./, 'Flaky').waitFor();
    await panel.getByText(/Retry 1 at \d\d:\d\d:\d\d/).waitFor();
    await panel.getByText('The container ended with exit code 3.').waitFor();
    await statusItem('Flaky retry 1').waitFor();
    await studio.workbench.screenshot('container-task-waiting');
    await panel.getByRole('button', { name: 'Open Output' }).click();
    await studio.page.locator('.view-lines', { hasText: 'no such shelf' }).waitFor();
    // Nothing is lost by it: no question.
    await studio.chooseForRow(/^Container task Flaky/, 'Stop Container Task');
    await row(/stopped/, 'Flaky').waitFor();
    await rm(gate(1));
    await studio.chooseForRow(/^Container task Flaky/, 'Retry Container Task');
    await row(/running/, 'Flaky')
      .first()
      .waitFor();
    await studio.chooseForRow(/^Container task Flaky/, 'Stop Container Task');
    await studio.dialog().filter({ hasText: 'Stop the task "Flaky"?' }).waitFor();
    await studio.workbench.screenshot('container-task-stop');
    await studio.dialog().getByRole('button', { name: 'Stop', exact: true }).click();
    await row(/stopped/, 'Flaky').waitFor({ timeout: 30_000 });
    await studio.chooseForRow(/^Container task Flaky/, 'Remove Container Task');
    await studio.dialog().getByRole('button', { name: 'Remove', exact: true }).click();
    await row(/./, 'Flaky').waitFor({ state: 'detached' });
    expect(engine.docker('ps', '--all', '--filter', 'name=user-task-004', '--quiet')).toBe('');
  });

  it('are not started from a manifest that is wrong, which is marked where it stands', async () => {
    await writeTask('task-005', { name: 'Wrong', calls: [], container: { cpus: -1 } });
    await studio.workbench.runCommandAndPick('Orchestrator: Start Container Task…', 'task-005');
    await toast(
      'The task was not started. The manifest of the task is not valid: container.cpus must be more than 0.',
    ).waitFor();
    await studio.page.locator('.tab.active', { hasText: 'task-005.task.json' }).waitFor();
    await studio.workbench.runCommand('View: Focus Problems (Errors, Warnings, Infos)').catch(async () => {
      await studio.page.keyboard.press('Control+Shift+M');
    });
    const problems = studio.page.locator('.markers-panel');
    await problems.getByText('container.cpus must be more than 0').waitFor();
    // The schema's own mark, which is there as it is written.
    await problems.getByText(/exclusive minimum of 0/).waitFor();
    await studio.workbench.screenshot('container-task-wrong');
  });
});
