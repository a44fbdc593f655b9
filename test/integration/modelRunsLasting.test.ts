// Model runs outlive whoever started them, fail alone, run many at a time, and tell nobody their keys: the command line
// and its core as processes of their own, and a model on loopback.
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type ModelEndpoint, startModelEndpoint } from '../harness/modelEndpoint.ts';
import { allProcesses, descendants, processesMarked, signal, waitUntil } from '../harness/processes.ts';
import { buildProduct, CliFixture } from './cliHarness.ts';

const key = 'sk-never-to-be-seen-0123456789abcdef';

let dist: string;
let fixture: CliFixture;
let endpoint: ModelEndpoint;

beforeAll(() => {
  dist = buildProduct();
}, 60_000);
afterAll(() => {
  rmSync(dist, { recursive: true, force: true });
});
beforeEach(async () => {
  fixture = new CliFixture(dist);
  endpoint = await startModelEndpoint();
});
afterEach(async () => {
  await fixture[Symbol.asyncDispose]();
  await endpoint[Symbol.asyncDispose]();
});

function setUpModels(more: object = {}): void {
  const provider = {
    id: 'test',
    baseUrl: `${endpoint.url}/v1`,
    keyEnv: 'TEST_MODEL_KEY',
    defaultModel: 'fake',
  };
  const file = join(fixture.root, 'models.json');
  writeFileSync(file, JSON.stringify({ providers: [{ ...provider, ...more }], default: 'test' }));
}

const env = { TEST_MODEL_KEY: key };
const common = (): string[] => ['--models', join(fixture.root, 'models.json'), '--allow-code-in-terminal'];

interface Event {
  readonly type: string;
  readonly sequence: number;
  readonly data: Readonly<Record<string, unknown>>;
}

async function events(runId: string): Promise<Event[]> {
  const { stdout } = await fixture.run(['events', '--json', '--run', runId]);
  const lines = stdout.toString().trim().split('\n');
  return lines.flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Event]));
}

/** The run's id, once it has said something. */
async function begun(args: readonly string[]): Promise<string> {
  const running = fixture.start(['run', '--json', '--engine', 'model', ...args], { env });
  await running.shows('worker.generator.output.delta');
  const [first = ''] = running.stdout.toString().split('\n');
  running.child.kill('SIGKILL');
  await running.result;
  return (JSON.parse(first) as { runId: string }).runId;
}

function workerOf(runId: string): number {
  const [pid] = allProcesses().flatMap((info) => {
    if (!info.command.endsWith('worker.js --worker')) return [];
    return environmentOf(info.pid).includes(`ORCHESTRATOR_ID=${runId}`) ? [info.pid] : [];
  });
  return pid ?? 0;
}

it('the command line runs a task, prints the answer, and lists models', async () => {
  setUpModels();
  endpoint.say({
    text: ['I look.'],
    calls: [{ name: 'run_code', input: { language: 'bash', code: 'echo 42' } }],
  });
  endpoint.say({ text: ['The answer ', 'is 42.'] });
  const args = ['run', '--engine', 'model', '--code', ...common(), '--task', 'find the answer'];
  const ran = await fixture.run(args, { env });
  expect(ran).toMatchObject({ code: 0, stderr: '' });
  expect(ran.stdout.toString()).toBe('I look.\nThe answer is 42.\n');
  expect(JSON.stringify(endpoint.requests[1]?.body['messages'])).toContain('42');
  expect(endpoint.requests[0]?.headers['authorization']).toBe(`Bearer ${key}`);

  const missing = await fixture.run(args);
  expect(missing.code).not.toBe(0);
  expect(missing.stderr).toContain('TEST_MODEL_KEY');
  const models = await fixture.run(['models', '--models', join(fixture.root, 'models.json')], { env });
  expect(models.stdout.toString()).toMatch(/^test +set +fake +http:\S+ +model-a, model-b$/m);
  expect(models.stdout.toString()).toMatch(/^openai +missing \(\$OPENAI_API_KEY\)/m);
  expect(models.stdout.toString()).not.toContain(key);
}, 30_000);

it('a run goes on when its core is killed, and the next core tells all of it', async () => {
  setUpModels();
  const text = Array.from({ length: 60 }, (_, index) => `${index} `);
  endpoint.say({ text, paceMs: 50 }, { text: ['not asked'] });
  const serving = fixture.start(['serve', ...common()], { env });
  await serving.shows('gRPC: unix:');
  const id = await begun(['--task', 'count']);
  serving.child.kill('SIGKILL');
  await serving.result;
  await waitUntil('it goes on without a core', () => workerOf(id) !== 0);
  const next = fixture.start(['serve', ...common()], { env });
  await next.shows('gRPC: unix:');
  await waitUntil('it ends', async () => (await events(id)).at(-1)?.type === 'response.completed', {
    limitMs: 20_000,
    everyMs: 200,
  });
  const told = await events(id);
  const said = told.flatMap(({ type, data }) =>
    type === 'worker.generator.output.delta' ? [data['text']] : [],
  );
  expect(said.join('')).toBe(text.join(''));
  expect(endpoint.requests).toHaveLength(1);
  expect(told.filter(({ type }) => type === 'response.created')).toHaveLength(1);
}, 60_000);

it('20 runs at once; one whose worker is killed fails, and no other does', async () => {
  setUpModels();
  endpoint.answerBy(() => ({ text: ['one ', 'two ', 'three'], paceMs: 400 }));
  const serving = fixture.start(['serve', ...common()], { env });
  await serving.shows('gRPC: unix:');
  const victim = await begun(['--task', 'victim']);
  const others = Array.from({ length: 20 }, (_, index) =>
    fixture.start(['run', '--engine', 'model', '--name', `s${index}`, '--task', `task ${index}`], { env }),
  );
  signal(workerOf(victim), 'SIGKILL');
  const results = await Promise.all(others.map(({ result }) => result));
  expect(results.map(({ code, stdout }) => [code, stdout.toString()])).toEqual(
    results.map(() => [0, 'one two three\n']),
  );
  const told = await events(victim);
  expect(told.find(({ type }) => type === 'response.failed')?.data).toMatchObject({
    reason: 'worker_crashed',
  });
}, 90_000);

describe('the key', () => {
  it('is in no file, no event, no argument, and no child of the run', async () => {
    setUpModels();
    const code = 'env; cat /proc/self/environ | tr "\\0" "\\n"; sleep 3';
    endpoint.say(
      { fault: { kind: 'status', status: 500, message: `the key ${key} made me fall` } },
      { text: ['running'], calls: [{ name: 'run_code', input: { language: 'bash', code } }] },
      { text: ['done'] },
    );
    const serving = fixture.start(['serve', '--verbose', ...common()], { env });
    await serving.shows('gRPC: unix:');
    const id = await begun(['--code', '--task', 'look around']);
    const worker = await waitUntil('its worker runs', () => workerOf(id) || undefined);
    const mayHold = new Set([serving.pid, worker]);
    await waitUntil('its code runs', () =>
      processesMarked('TERM', 'xterm-256color').some(({ command }) => command.includes('sleep 3')),
    );
    for (const { pid, command } of [...descendants(serving.pid), ...allProcesses()]) {
      expect(command).not.toContain(key);
      if (mayHold.has(pid) || pid === process.pid) continue;
      expect(environmentOf(pid).includes(key) ? `${pid} ${command}` : undefined).toBeUndefined();
    }
    await waitUntil('it ends', async () => (await events(id)).at(-1)?.type === 'response.completed', {
      limitMs: 20_000,
      everyMs: 200,
    });
    const told = await events(id);
    expect(told.find(({ type }) => type === 'code_agent.step.execution')?.data['output']).toContain('HOME=');
    expect(JSON.stringify(told)).toContain('[key]');
    expect(JSON.stringify(told)).not.toContain(key);
    expect(serving.stdout.toString() + serving.stderr).not.toContain(key);
    expect(filesWith(fixture.stateDir, key)).toEqual([]);
  }, 60_000);
});

/** Empty where it has ended. */
function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8');
  } catch {
    return '';
  }
}

function filesWith(folder: string, text: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isFile() && readFileSync(path).includes(text) ? [name] : [];
  });
}
