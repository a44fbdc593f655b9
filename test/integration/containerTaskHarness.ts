import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTaskPlaces } from '../../src/adapters/containerTasks/taskPlaces.ts';
import { systemIds } from '../../src/base/ids.ts';
import { nullLogger } from '../../src/base/logger.ts';
import {
  type ContainerTaskSpec,
  containerTaskWorkerKind,
} from '../../src/core/containerTasks/containerTaskSpec.ts';
import type { TaskEndpoint } from '../../src/core/ports/containerTasks.ts';
import type { ProcessHost, WorkerEvent } from '../../src/core/ports/processHost.ts';
import type { RunEventData, RunEventType } from '../../src/core/runs/runEvents.ts';
import { createProcessHostClient } from '../../src/processHost/client.ts';
import { endProcesses, waitUntil } from '../harness/processes.ts';
import { node } from './cliHarness.ts';

/** A state directory with a process host, and workers of container tasks under it. */
export class TaskFixture implements AsyncDisposable {
  readonly root = mkdtempSync(join(tmpdir(), 'ow-task-'));
  readonly stateDir = join(this.root, 'state');
  readonly host: ProcessHost;
  readonly events = new Map<string, WorkerEvent[]>();
  readonly places = createTaskPlaces(this.stateDir);

  constructor(dist: string) {
    mkdirSync(this.stateDir, { mode: 0o700 });
    this.host = createProcessHostClient({
      stateDir: this.stateDir,
      distDir: dist,
      version: 'test',
      logger: nullLogger,
      execPath: node,
    });
    this.host.onDidReceiveWorkerEvent((event) => {
      this.events.set(event.workerId, [...(this.events.get(event.workerId) ?? []), event]);
    });
  }

  /** A file of the task's own. @returns its path. */
  write(name: string, text: string): string {
    const path = join(this.root, name);
    writeFileSync(path, text);
    return path;
  }

  async start(
    overrides: Partial<ContainerTaskSpec> = {},
    env: Readonly<Record<string, string>> = {},
  ): Promise<TaskWorker> {
    await this.host.ensureConnected();
    const runId = systemIds.uuidV7();
    const taskId = overrides.taskId ?? `task-${runId}`;
    const spec: ContainerTaskSpec = {
      runId,
      taskId,
      taskName: 'A task',
      title: 'program',
      paths: await this.places.prepare(taskId),
      listenHosts: ['127.0.0.1'],
      advertisedHost: '127.0.0.1',
      executable: null,
      wantsContainer: false,
      environmentNames: Object.keys(env),
      cwd: this.root,
      timeoutMs: null,
      publicApi: false,
      platform: 'linux',
      ...overrides,
    };
    await this.host.startWorker({
      id: runId,
      kind: containerTaskWorkerKind,
      spec,
      env: { PATH: process.env['PATH'] ?? '', LANG: 'C.UTF-8', ...env },
    });
    await this.host.followWorker(runId, 0);
    return new TaskWorker(this, spec);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { connection } = this.host;
    this.host.dispose();
    if (connection.state === 'connected') await endProcesses([connection.pid]);
    rmSync(this.root, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}

export class TaskWorker {
  readonly spec: ContainerTaskSpec;
  private readonly fixture: TaskFixture;

  constructor(fixture: TaskFixture, spec: ContainerTaskSpec) {
    this.fixture = fixture;
    this.spec = spec;
  }

  get runId(): string {
    return this.spec.runId;
  }

  types(): string[] {
    return (this.fixture.events.get(this.runId) ?? []).map(({ type }) => type);
  }

  data<T extends RunEventType>(type: T): RunEventData[T][] {
    return (this.fixture.events.get(this.runId) ?? [])
      .filter((event) => event.type === type)
      .map((event) => event.data as unknown as RunEventData[T]);
  }

  /** What a person was told, in order. */
  messages(): string[] {
    return [
      ...(this.fixture.events.get(this.runId) ?? [])
        .filter(({ type }) => type === 'container_task.callback' || type === 'container_task.notification')
        .map(({ data }) => String(data['message'])),
    ];
  }

  async until(type: string, limitMs = 20_000): Promise<void> {
    await waitUntil(`${type} of ${this.types().join(' ')}`, () => this.types().includes(type), {
      limitMs,
      everyMs: 5,
    });
  }

  async endpoint(): Promise<TaskEndpoint> {
    await this.until('container_task.listening');
    const found = await this.fixture.places.readEndpoint(this.spec.taskId);
    if (found === undefined) throw new Error('the worker wrote no endpoint');
    return found;
  }

  /** What its program printed. */
  async output(): Promise<string> {
    await this.until('worker.exited');
    const [completed] = this.data('runner.step.execution.completed');
    const { result } = completed ?? {};
    if (result === undefined || !('terminal_id' in result)) return '';
    const { terminal_id, output_to } = result;
    if (terminal_id === null) return '';
    const { data } = await this.fixture.host.readTerminal(terminal_id, 0, output_to ?? 0);
    return Buffer.from(data).toString('utf8');
  }

  pid(): number {
    const path = join(this.fixture.stateDir, 'host-v1/ledger.jsonl');
    const entries = readFileSync(path, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { id?: string; pid?: number });
    return entries.find(({ id, pid }) => id === this.runId && pid !== undefined)?.pid ?? 0;
  }
}

/** A Python with requests, which the seed's example needs. Debian's is installed where there is none. */
export function pythonWithRequests(): string {
  for (const python of ['python3', '/usr/bin/python3']) {
    if (hasRequests(python)) return python;
  }
  execFileSync('apt-get', ['install', '-y', '--no-install-recommends', 'python3-requests'], {
    stdio: 'pipe',
  });
  if (hasRequests('/usr/bin/python3')) return '/usr/bin/python3';
  throw new Error('There is no Python with requests, and installing python3-requests did not help.');
}

function hasRequests(python: string): boolean {
  try {
    execFileSync(python, ['-c', 'import requests'], { stdio: 'pipe' });
    return true;
  } catch {
    return false;
  }
}

export function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
}
