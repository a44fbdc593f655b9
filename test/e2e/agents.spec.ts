import { readdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isAlive, waitUntil } from '../harness/processes.ts';
import { generateStubs, PythonAgent, type PythonAgentOptions } from '../harness/pythonAgent.ts';
import { type TempDir, tempDir } from '../harness/tempDir.ts';
import { Studio } from './studio.ts';

/** Agents are processes in Python, which reach the editor's core by its socket. */
let studio: Studio;
let root: TempDir;
let stubs: string;
const agents: PythonAgent[] = [];

beforeAll(async () => {
  root = await tempDir('ow-agents');
  stubs = join(root.path, 'stubs');
  await mkdir(stubs);
  generateStubs(stubs);
  studio = await Studio.open({ name: 'agents' });
});
afterAll(async () => {
  for (const agent of agents) await agent[Symbol.asyncDispose]();
  await studio[Symbol.asyncDispose]();
  await root[Symbol.asyncDispose]();
});

/** Beside the editor's state, or in the runtime folder where that path would be too long. */
function findSocket(): string | undefined {
  const folder = dirname(studio.server.home);
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const name = names.find((each) => /grpc\.sock$/.test(each));
  return name === undefined ? undefined : join(folder, name);
}

async function startAgent(name: string, options: Partial<PythonAgentOptions> = {}): Promise<PythonAgent> {
  const socketPath = await waitUntil('the socket of the editor', findSocket, { limitMs: 30_000 });
  const agent = await PythonAgent.start({ socketPath, stubs, name, ...options });
  agents.push(agent);
  return agent;
}

const section = () => studio.page.locator('.pane-header', { hasText: /^\s*agents/i });
const builder = () => studio.row(/^Agent builder/);
const task = (name: string, state: RegExp) =>
  studio.row(new RegExp(`^Task ${name}.*, ${state.source}`)).first();

async function runOnAgent(agent: string, text: string) {
  const { workbench } = studio;
  await workbench.runCommandAndPick('Orchestrator: Run Task on Agent…', agent);
  await workbench.answer(text);
  const panel = studio.panel();
  await panel.locator('.step').first().waitFor();
  return panel;
}

describe('agents in the real VS Code', () => {
  it('have a view of their own as soon as one has registered', async () => {
    await studio.showSessions();
    await studio.workbench.runCommand('Orchestrator: New Session');
    await studio.workbench.answer('demo');
    await studio.row(/^Session demo/).waitFor();
    expect(await section().count()).toBe(0);
    await startAgent('builder', { capabilities: ['build', 'test'] });
    await section().waitFor();
    await builder().waitFor();
    expect(await builder().getAttribute('aria-label')).toBe('Agent builder, idle · build, test');
    await studio.workbench.screenshot('agents-idle');
  });

  it('do a run, whose output and progress show in the panel and in the tree', async () => {
    const gate = join(root.path, 'gate');
    const panel = await runOnAgent(
      'builder',
      `echo compiling; echo ::progress 0.4 linking; until [ -e ${gate} ]; do sleep 0.1; done; echo done`,
    );
    await panel.locator('#step-1-output', { hasText: 'compiling' }).waitFor();
    await panel.locator('.step .progress', { hasText: '40 %' }).waitFor();
    expect(await panel.locator('.fact').allTextContents()).toContain('agent:builder');
    await task('echo comp', /running, 40 % · linking/).waitFor();
    await studio.row(/^Agent builder, 1 of 2 tasks/).waitFor();
    for (const theme of ['Light Modern', 'Dark High Contrast', 'Dark Modern'] as const) {
      await studio.workbench.setTheme(theme);
      await studio.workbench.screenshot(`agents-busy-${theme.toLowerCase().replaceAll(' ', '-')}`);
    }
    await mkdir(gate);
    await studio.waitForStatus(panel, 'succeeded');
    expect(await panel.locator('.step .exit').allTextContents()).toEqual(['exit 0']);
    await task('echo comp', /succeeded/).waitFor();
    await studio.row(/^Agent builder, idle/).waitFor();
  });

  it('stop when their run is aborted', async () => {
    const panel = await runOnAgent('builder', 'exec sleep 81.5');
    const sleep = await waitUntil('the sleep', () => processOf(/^sleep 81\.5$/));
    await panel.locator('.abort').click();
    await panel.locator('.confirm-abort').click();
    await studio.waitForStatus(panel, 'cancelled');
    await waitUntil('the sleep is gone', () => !isAlive(sleep.pid));
  });

  it('can be relieved of a task, and forgotten, each after a question', async () => {
    // A retry must not find the agent of the attempt before.
    await agents.at(1)?.[Symbol.asyncDispose]();
    const agent = await startAgent('helper');
    const panel = await runOnAgent('helper', 'exec sleep 82.5');
    const row = task('exec sleep 82.5', /running/);
    await row.hover();
    await row.getByRole('button', { name: 'Cancel Task' }).click();
    await studio.page.getByRole('button', { name: 'Cancel Task' }).last().click();
    await studio.waitForStatus(panel, 'cancelled');
    await agent.tells('stopped');
    // It would register anew: only one that has ended stays forgotten.
    await agent.end('SIGKILL');
    const helper = studio.row(/^Agent helper/);
    await helper.hover();
    await helper.getByRole('button', { name: 'Forget Agent' }).click();
    await studio.page.getByText('Forget the agent "helper"?').waitFor();
    await studio.workbench.screenshot('agents-forget');
    await studio.page.getByRole('button', { name: 'Forget', exact: true }).click();
    await helper.waitFor({ state: 'detached' });
  });

  it('that are killed are lost, and their run fails and says so', async () => {
    const [agent] = agents;
    const panel = await runOnAgent('builder', 'exec sleep 83.5');
    await task('exec sleep 83.5', /running/).waitFor();
    await agent?.end('SIGKILL');
    // The limit is 90 s of silence.
    await studio.waitForStatus(panel, 'failed', 120_000);
    await panel.getByText('The agent "builder" was lost').waitFor();
    await studio.row(/^Agent builder, lost/).waitFor();
    await studio.workbench.screenshot('agents-lost');
  });
});

function processOf(command: RegExp) {
  return agents.flatMap((agent) => agent.processes()).find((info) => command.test(info.command));
}
