// Cores and workers are killed at any moment while tasks report: on this machine, and from a container of a real engine.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { OrchestratorEvent } from '../../src/core/events/event.ts';
import { TestEngine } from '../harness/dockerEngine.ts';
import { endProcesses, isAlive, waitUntil } from '../harness/processes.ts';
import { importPythonImage, pythonImage, TestBridge } from '../harness/pythonImage.ts';
import { buildProduct, node } from './cliHarness.ts';
import type { Order, TaskLine } from './fixtures/taskCoreProgram.ts';
import { openTaskCore, type TaskCore } from './taskCore.ts';

const kills = process.env['ORCHESTRATOR_TEST_FULL'] === '1' ? 300 : 30;
/** Every so many-th of them hits a worker, the others the core; some hit both. */
const workerEvery = 3;

let dist: string;
let bridge: TestBridge;
let engine: TestEngine;

beforeAll(async () => {
  dist = buildProduct();
  bridge = new TestBridge();
  engine = await TestEngine.start(bridge.name);
  await importPythonImage(engine);
}, 400_000);
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  bridge[Symbol.dispose]();
  rmSync(dist, { recursive: true, force: true });
});

/** Each report has a number that none before it had, in any execution; what was answered 200 is noted. */
const localProgram = `
const { appendFileSync, existsSync, readFileSync, renameSync, writeFileSync } = require('node:fs');
const folder = process.argv[2];
let n = existsSync(folder + '/next') ? Number(readFileSync(folder + '/next', 'utf8')) : 0;
const step = async () => {
  n += 1;
  writeFileSync(folder + '/next.tmp', String(n));
  renameSync(folder + '/next.tmp', folder + '/next');
  const body = JSON.stringify({ taskId: process.env.ORCA_TASK_ID, eventType: 'log_entry', data: { message: 'n' + n } });
  const headers = { 'content-type': 'application/json' };
  const status = await fetch(process.env.PARENT_NODE_CALLBACK_URL, { method: 'POST', headers, body }).then((answer) => answer.status, () => 0);
  if (status === 200) appendFileSync(folder + '/acks', n + '\\n');
  setTimeout(step, 15);
};
step();
`;

/** The same in Python. It ends when it is asked to, which process 1 of a container does only if it says so. */
const containerProgram = `
import json, os, signal, time, urllib.request
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
n = int(open("/data/next").read()) if os.path.exists("/data/next") else 0
while True:
    n += 1
    with open("/data/next.tmp", "w") as file:
        file.write(str(n))
    os.rename("/data/next.tmp", "/data/next")
    body = json.dumps({"taskId": os.environ["ORCA_TASK_ID"], "eventType": "log_entry", "data": {"message": "n%d" % n}})
    request = urllib.request.Request(os.environ["PARENT_NODE_CALLBACK_URL"], body.encode(), {"Content-Type": "application/json"})
    try:
        if urllib.request.urlopen(request, timeout=5).status == 200:
            with open("/data/acks", "a") as file:
                file.write("%d\\n" % n)
    except OSError:
        pass
    time.sleep(0.03)
`;

/** The core that is killed, and what it tells of its tasks. */
class KilledCore {
  readonly tasks = new Map<string, TaskLine>();
  private readonly child: ChildProcess;

  constructor(order: Order) {
    const program = join(import.meta.dirname, 'fixtures/taskCoreProgram.ts');
    const args = ['--disable-warning=MODULE_TYPELESS_PACKAGE_JSON', program, JSON.stringify(order)];
    this.child = spawn(node, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    if (this.child.stdout === null) throw new Error('no output');
    createInterface({ input: this.child.stdout }).on('line', (line) => {
      const task = JSON.parse(line) as TaskLine;
      this.tasks.set(task.id, task);
    });
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await gone;
  }
}

function workerPid(stateDir: string, runId: string): number {
  const path = join(stateDir, 'host-v1/ledger.jsonl');
  const lines = existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : [];
  const entries = lines.map((line) => JSON.parse(line) as { id?: string; pid?: number });
  return entries.find(({ id, pid }) => id === runId && pid !== undefined)?.pid ?? 0;
}

const numbersIn = (path: string): number[] =>
  existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n').filter(Boolean).map(Number) : [];

function eventsOf({ core }: TaskCore): OrchestratorEvent[] {
  const all: OrchestratorEvent[] = [];
  for (;;) {
    const page = core.events.read({ after: all.at(-1)?.sequence ?? 0, limit: 1_000 });
    all.push(...page);
    if (page.length === 0) return all;
  }
}

it(`loses no callback and doubles none over ${kills} deaths of cores and workers`, {
  timeout: 120_000 + kills * 5_000,
}, async () => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'ow-kill-')));
  const stateDir = join(root, 'state');
  mkdirSync(stateDir, { mode: 0o700 });
  writeFileSync(join(root, 'task.cjs'), localProgram);
  const ids = ['local-1', 'local-2', 'container'];
  for (const id of ids) {
    mkdirSync(join(root, id));
    // The container's user is none of ours.
    chmodSync(join(root, id), 0o777);
  }
  const restart = { mode: 'on-failure', initialDelayMs: 10, maxDelayMs: 50 };
  const local = (id: string): object => ({
    id,
    name: id,
    restart,
    executable: { type: 'command', command: [node, join(root, 'task.cjs'), join(root, id)] },
  });
  const container = {
    id: 'container',
    name: 'container',
    restart,
    container: {
      image: pythonImage,
      command: ['python3', '-c', containerProgram],
      podPort: null,
      mounts: [{ source: join(root, 'container'), target: '/data' }],
    },
  };
  const order: Order = {
    stateDir,
    distDir: dist,
    engineAddress: engine.address,
    cwd: root,
    manifests: [local('local-1'), local('local-2'), container],
  };
  const workerKills = new Map(ids.map((id) => [id, 0]));
  let killed = new KilledCore(order);
  const reports = (id: string): Promise<unknown> => {
    const before = numbersIn(join(root, id, 'acks')).length;
    return waitUntil(`${id} reports`, () => numbersIn(join(root, id, 'acks')).length > before, {
      limitMs: 40_000,
    });
  };
  let reopened: TaskCore | undefined;
  try {
    await Promise.all(ids.map(reports));
    for (let round = 1; round <= kills; round += 1) {
      if (round % workerEvery === 0) {
        const id = ids[(round / workerEvery) % ids.length] ?? '';
        const { runId = '' } = killed.tasks.get(id) ?? {};
        const pid = await waitUntil(`the worker of ${id}`, () => workerPid(stateDir, runId));
        process.kill(pid, 'SIGKILL');
        workerKills.set(id, (workerKills.get(id) ?? 0) + 1);
        await waitUntil('it is gone', () => !isAlive(pid));
        if (round % 2 === 0) {
          await killed.kill();
          killed = new KilledCore(order);
        }
        await waitUntil(`another execution of ${id}`, () => {
          const task = killed.tasks.get(id);
          return task?.state === 'running' && task.runId !== runId;
        });
        await reports(id);
      } else {
        await killed.kill();
        // From the start of its program to long after it has taken everything up.
        killed = new KilledCore(order);
        await delay(randomInt(0, 700));
        if (round % 5 === 0 || (round + 1) % workerEvery === 0) {
          await waitUntil('the core tells its tasks', () => killed.tasks.size === ids.length);
        }
      }
    }
    await Promise.all(ids.map(reports));
    await killed.kill();
    reopened = await openTaskCore({ stateDir, distDir: dist, execPath: node, engine: engine.client() });
    const { core, tasks } = reopened;
    for (const id of ids) {
      const failures = workerKills.get(id);
      expect(tasks.get(id)).toMatchObject({ state: 'running', failures });
    }
    await tasks.stopAll();
    const events = eventsOf(reopened);
    const lines = ids.map((id) => {
      const runs = events.filter(({ type, runId }) => {
        return type === 'response.created' && core.runs.find(runId ?? '')?.request.containerTaskId === id;
      });
      const runIds = new Set(runs.map(({ runId }) => runId));
      const told = events
        .filter(({ type, runId }) => type === 'container_task.callback' && runIds.has(runId))
        .map(({ data }) => Number(/n(\d+)$/.exec(String(data['message']))?.[1]));
      const acknowledged = numbersIn(join(root, id, 'acks'));
      expect(tasks.get(id).state).toBe('stopped');
      expect(runs).toHaveLength(1 + (workerKills.get(id) ?? 0));
      // In order, and so none twice.
      expect(told).toEqual([...new Set(told)].sort((a, b) => a - b));
      const known = new Set(told);
      expect(acknowledged.filter((number) => !known.has(number))).toEqual([]);
      return `${id}: ${runs.length} executions, ${told.length} told, ${acknowledged.length} answered 200`;
    });
    console.log(`${kills} deaths. ${lines.join('; ')}`);
    for (const { id } of core.sessions.list()) await core.sessions.close(id);
    expect(engine.docker('ps', '--all', '--quiet')).toBe('');
  } finally {
    await killed.kill();
    reopened ??= await openTaskCore({ stateDir, distDir: dist, execPath: node, engine: engine.client() });
    const { connection } = reopened.core.processHost;
    await reopened.close();
    if (connection.state === 'connected') await endProcesses([connection.pid]);
    rmSync(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
});
