import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '../../src/adapters/sqlite/sqliteStore.ts';
import { FakeClock } from '../../src/base/clock.ts';
import { systemIds } from '../../src/base/ids.ts';
import { nullLogger, type Logger } from '../../src/base/logger.ts';
import { Orchestrator, type OrchestratorLimits } from '../../src/core/orchestrator.ts';
import type { TasksAtQuit } from '../../src/core/containerTasks/containerTaskManager.ts';
import type { ContainerTaskPlaces } from '../../src/core/ports/containerTasks.ts';
import type { Models, WindowModels } from '../../src/core/ports/models.ts';
import type { ProcessHost } from '../../src/core/ports/processHost.ts';
import type { ProcessMetrics } from '../../src/core/ports/processMetrics.ts';
import type { RunBackends } from '../../src/core/ports/runBackends.ts';
import type { Store } from '../../src/core/ports/store.ts';
import { createFakeEnvironment } from './fakeEnvironment.ts';
import { FakeMachine, FakeProcessHost, type FakeWorker } from './fakeProcessHost.ts';

/** A store, a machine and any number of cores on them, one after the other. */
export class CoreHarness {
  readonly folder = mkdtempSync(join(tmpdir(), 'workbench-core-'));
  readonly store: Store = openSqliteStore(join(this.folder, 'orchestrator.db')).store;
  readonly machine = new FakeMachine();
  /** Replaced where a core dies with its timers. */
  clock = new FakeClock();
  logger: Logger = nullLogger;

  constructor() {
    this.machine.now = () => this.clock.now();
  }

  /** A core that was not started yet. */
  create(
    options: {
      limits?: Partial<OrchestratorLimits>;
      store?: Store;
      processHost?: ProcessHost;
      processMetrics?: ProcessMetrics;
      containerTaskPlaces?: ContainerTaskPlaces;
      containerTasksAtQuit?: TasksAtQuit;
      models?: Models;
      windowModels?: WindowModels;
      backends?: RunBackends;
    } = {},
  ): Orchestrator {
    return new Orchestrator({
      store: options.store ?? this.store,
      processHost: options.processHost ?? new FakeProcessHost(this.machine),
      environment: createFakeEnvironment(),
      processMetrics: options.processMetrics,
      containerTaskPlaces: options.containerTaskPlaces,
      containerTasksAtQuit: options.containerTasksAtQuit,
      models: options.models,
      windowModels: options.windowModels,
      backends: options.backends,
      clock: this.clock,
      ids: systemIds,
      logger: this.logger,
      limits: options.limits,
    });
  }

  async start(options: Parameters<CoreHarness['create']>[0] = {}): Promise<Orchestrator> {
    const core = this.create(options);
    await core.start();
    return core;
  }

  dispose(): void {
    this.store.dispose();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Lets everything run that waits for nothing but its turn. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/**
 * What a shell worker does, one stage after the other: `next` does the next one. Its events are those of the real
 * worker. After the last stage it has exited.
 */
export class ScriptedWorker {
  readonly runId: string;
  private readonly machine: FakeMachine;
  private readonly stages: (() => void)[];

  constructor(machine: FakeMachine, worker: FakeWorker, exitCodes: readonly number[] = []) {
    const { id } = worker.options;
    const { commands, shell, cwd, cols, rows } = worker.options.spec as {
      commands: string[];
      shell: string;
      cwd: string;
      cols: number;
      rows: number;
    };
    this.runId = id;
    this.machine = machine;
    const emit = (type: string, data: Record<string, unknown> = {}): void => machine.emit(id, type, data);
    const terminalId = `${id.slice(0, 14)}4${id.slice(15)}`;
    const codes = commands.map((_command, index) => exitCodes[index] ?? 0);
    const failing = codes.findIndex((code) => code !== 0);
    const run = failing === -1 ? commands : commands.slice(0, failing + 1);
    const hasFailed = failing !== -1;
    const ending = hasFailed
      ? { status: 'failed', completion_reason: 'FAIL', outcome: 'failed' }
      : { status: 'success', completion_reason: 'DONE', outcome: 'succeeded' };
    this.stages = [
      () => {
        emit('response.in_progress', { status: 'running', run_id: id });
        emit('runner.started', { task: commands.join('\n'), max_steps: commands.length, platform: 'linux' });
        emit('runner.steps.planned', { commands });
      },
      () => {
        const args: string[] = [];
        const { pid } = machine.startTerminal({
          id: terminalId,
          file: shell,
          args,
          cwd,
          env: {},
          cols,
          rows,
        });
        emit('runner.terminal', { terminal_id: terminalId, shell, args, cwd, cols, rows, pid });
        emit('runner.shell.marks', { shell, mode: 'marks', reason: null });
      },
      ...run.flatMap((command, index) => [
        () => {
          emit('runner.step.started', { step: index + 1 });
          emit('runner.step.execution.started', {
            step: index + 1,
            mode: 'controller_execute',
            exec_code: command,
          });
          emit('runner.step.output', {
            step: index + 1,
            terminal_id: terminalId,
            from: index * 10,
            to: index * 10 + 5,
          });
        },
        () => {
          const code = codes[index] ?? 0;
          const outcome = code === 0 ? 'succeeded' : 'failed';
          const result = {
            exit_code: code,
            duration_ms: 12,
            terminal_id: terminalId,
            output_from: index * 10,
            output_to: index * 10 + 9,
            outcome,
          };
          const step = index + 1;
          const mode = 'controller_execute';
          emit('runner.step.execution.completed', { step, mode, did_click: false, result });
          emit('runner.step.completed', { step, status: code === 0 ? 'success' : 'failed', action: command });
        },
      ]),
      () => machine.exitTerminal(terminalId),
      () => {
        emit('runner.completed', { ...ending, steps: run.length });
        emit('response', {
          run_id: id,
          task: commands.join('\n'),
          ...ending,
          steps: run.map((command, index) => ({ step_index: index + 1, action: command })),
          grounding_prompts: {},
        });
        emit('response.completed', ending);
      },
      () => machine.exitWorker(id),
    ];
  }

  /** @returns whether there was anything left to do. */
  next(): boolean {
    if (!this.machine.workers.get(this.runId)?.isAlive) return false;
    const stage = this.stages.shift();
    stage?.();
    return stage !== undefined;
  }

  async finish(): Promise<void> {
    while (this.next()) await settle();
  }
}

/** Types of the run's events, in order. */
export function typesOf(core: Orchestrator, runId: string): string[] {
  return core.events.read({ after: 0, limit: 10_000, runId }).map((event) => event.type);
}
