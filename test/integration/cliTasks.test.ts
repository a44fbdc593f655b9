import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitUntil } from '../harness/processes.ts';
import { buildProduct, CliFixture } from './cliHarness.ts';

let dist: string;

beforeAll(() => {
  dist = buildProduct();
}, 60_000);
afterAll(() => {
  rmSync(dist, { recursive: true, force: true });
});

function manifest(fixture: CliFixture, script: string, more: object = {}): string {
  const file = join(fixture.root, 'task.js');
  writeFileSync(file, script);
  const path = join(fixture.root, 'manifest.json');
  const value = { id: 'task-001', name: 'Index', executable: 'task.js', restart: 'never', ...more };
  writeFileSync(path, JSON.stringify(value));
  return path;
}

/** Reports twice, as a program in a container does. */
const reports = `
  const report = (eventType, data) => fetch(process.env.PARENT_NODE_CALLBACK_URL, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ taskId: process.env.ORCA_TASK_ID, eventType, data }),
  });
  module.exports = async () => {
    await report('status_update', { message: 'Half \\u001b[31m', progress: 50 });
    await report('log_entry', { level: 'warn', message: 'Careful' });
`;

describe('orchestrator tasks', () => {
  it('starts a task, prints what it reports, and exits by its end', async () => {
    await using fixture = new CliFixture(dist);
    const path = manifest(
      fixture,
      `${reports} await report('task_result', { status: 'completed', result_data: { n: 1 } }); };`,
    );
    const { code, stdout, stderr } = await fixture.run(['tasks', 'start', '--manifest', path]);
    expect(stderr).toBe('');
    expect(stdout.toString()).toBe(
      '[Info] Orca Status (task-0...): Half  [31m (50%)\n' +
        '[Warn] Orca Log [WARN] (task-0...): Careful\n' +
        '[Info] Orca Result (task-0...): Status - completed\n',
    );
    expect(code).toBe(0);
    const listed = await fixture.run(['tasks', 'list', '--all']);
    expect(listed.stdout.toString()).toMatch(/task-001 +succeeded +\S+ +50% +Index +Half/);
    expect((await fixture.run(['tasks', 'list'])).stdout.toString()).toContain('No task runs');
    const logs = await fixture.run(['tasks', 'logs', 'task-001']);
    expect(logs.stdout.toString()).toContain('"n": 1');
    await waitUntil('nothing is left', () => fixture.leftovers().length === 0);
  });

  it('tries again, and says so', async () => {
    await using fixture = new CliFixture(dist);
    const restart = { mode: 'on-failure', initialDelayMs: 1, maxFailures: 1 };
    const path = manifest(fixture, 'process.exit(3)', { restart });
    const { code, stderr } = await fixture.run(['tasks', 'start', '--manifest', path]);
    expect(stderr).toMatch(/exit code 3\. Next try in 0\.0s\.\norchestrator: .*exit code 3\.\n$/);
    expect(code).toBe(1);
  });

  it('leaves a task running, shows it, follows it and stops it, with no core in between', async () => {
    await using fixture = new CliFixture(dist);
    const path = manifest(fixture, `${reports} setInterval(() => undefined, 1_000); };`);
    const started = await fixture.run(['tasks', 'start', '--detach', '--manifest', path]);
    expect(started.stdout.toString()).toBe('task task-001 running\n');
    expect((await fixture.json(['tasks', 'list']))['tasks']).toMatchObject([
      { id: 'task-001', state: 'running' },
    ]);
    const following = fixture.start(['tasks', 'logs', '-f', 'task-001']);
    await following.shows('Careful');
    expect((await fixture.run(['tasks', 'start', '--manifest', path])).stderr).toContain(
      'Task is already running',
    );
    expect((await fixture.run(['tasks', 'stop', 'task-001'])).stdout.toString()).toBe(
      'task task-001 stopped\n',
    );
    expect((await following.result).code).toBe(0);
    expect((await fixture.run(['tasks', 'stop', 'task-001'])).code).toBe(5);
    expect((await fixture.run(['tasks', 'stop', 'none'])).code).toBe(4);
  });

  it('starts, retries and forgets a task through the core that serves', async () => {
    await using fixture = new CliFixture(dist);
    await fixture.serve();
    const path = manifest(fixture, `${reports} };`);
    const told =
      '[Info] Orca Status (task-0...): Half  [31m (50%)\n[Warn] Orca Log [WARN] (task-0...): Careful\n';
    const started = await fixture.run(['tasks', 'start', '--manifest', path]);
    expect({ code: started.code, stdout: started.stdout.toString(), stderr: started.stderr }).toEqual({
      code: 0,
      stdout: told,
      stderr: '',
    });
    expect((await fixture.run(['tasks', 'retry', 'task-001'])).stdout.toString()).toBe(
      'task task-001 started\n',
    );
    await waitUntil('it has ended again', async () => {
      const { stdout } = await fixture.run(['tasks', 'list', '--all']);
      return /task-001 +succeeded/.test(stdout.toString());
    });
    expect((await fixture.run(['tasks', 'logs', '-f', 'task-001'])).stdout.toString()).toContain('Careful');
    expect((await fixture.run(['tasks', 'rm', 'task-001'])).stdout.toString()).toBe(
      'task task-001 removed\n',
    );
    expect((await fixture.run(['tasks', 'list', '--all'])).stdout.toString()).toBe('Nothing here yet.\n');
  });

  it('stops a task that another core keeps', async () => {
    await using fixture = new CliFixture(dist);
    const path = manifest(fixture, 'setInterval(() => undefined, 1_000)');
    await fixture.run(['tasks', 'start', '--detach', '--manifest', path]);
    const serve = fixture.start(['serve']);
    await serve.shows('Ready');
    expect((await fixture.run(['tasks', 'stop', 'task-001'])).code).toBe(0);
    await waitUntil('the core has stored it', async () => {
      const { stdout } = await fixture.run(['tasks', 'list', '--all']);
      return /task-001 +stopped/.test(stdout.toString());
    });
    serve.child.kill('SIGTERM');
    await serve.result;
  });

  it('says what is wrong with a manifest', async () => {
    await using fixture = new CliFixture(dist);
    const path = manifest(fixture, '', { memroy: 1 });
    const wrong = await fixture.run(['tasks', 'start', '--manifest', path]);
    expect(wrong.stderr).toContain('memroy');
    expect(wrong.code).toBe(2);
    const missing = await fixture.run(['tasks', 'start', '--manifest', join(fixture.root, 'none.json')]);
    expect(missing.stderr).toContain('cannot be read');
    const noEngine = manifest(fixture, '', { executable: undefined, image: 'python:3' });
    const { code, stderr } = await fixture.run(['tasks', 'start', '--manifest', noEngine]);
    expect(stderr).toContain('Install and start one of them');
    expect(code).toBe(1);
  });
});
