import type { Disposable } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { CoreContext } from '../context.ts';
import { runModelLoop } from '../models/loop/modelLoop.ts';
import { type ModelProvider, vscodeProviderId } from '../models/modelProvider.ts';
import type { WindowModels } from '../ports/models.ts';
import { isWindowModelRun, modelRunSpec } from './modelRuns.ts';
import { isRunEnded, type Run } from './run.ts';
import { appendRunEnd, appendRunEvent, type RunEnd } from './runEnd.ts';
import type { RunEngine } from './runEngine.ts';
import type { RunEvent } from './runEvents.ts';
import type { RunQueue, RunStarter } from './runQueue.ts';
import type { EmitRunEvent } from './runTeller.ts';

const boundMessage =
  "This run is done with VS Code's own models, which only this window can ask: it ends when the window is closed or reloaded.";

/**
 * Runs with the models of the window that this core lives in: the loop is here, and not in a worker, so they end with
 * the window. The next core says so of those that were under way.
 */
export class WindowModelEngine implements RunEngine, RunStarter, Disposable {
  private readonly context: CoreContext;
  private readonly models: WindowModels;
  private readonly queue: RunQueue;
  private readonly live = new Map<string, AbortController>();
  private isOpen = false;

  constructor(context: CoreContext, models: WindowModels, queue: RunQueue) {
    this.context = context;
    this.models = models;
    this.queue = queue;
  }

  get runningCount(): number {
    return this.live.size;
  }

  owns(run: Run): boolean {
    return isWindowModelRun(run);
  }

  prepare(_tx: unknown, run: Run): Run {
    return run;
  }

  pump(): void {
    this.queue.fill();
  }

  canStart(run: Run): boolean {
    return this.isOpen && this.owns(run) && run.status === 'queued' && !this.live.has(run.id);
  }

  begin(run: Run): void {
    const controller = new AbortController();
    this.live.set(run.id, controller);
    void this.carryOut(run, controller.signal);
  }

  /** Start-up: what ran in a window before has ended with it. */
  open(): void {
    this.isOpen = true;
    for (const run of this.context.state.liveRuns.values()) {
      if (this.owns(run) && run.status === 'running' && !this.live.has(run.id))
        this.end(run.id, windowGoneEnd);
    }
    this.pump();
  }

  /** Errors: those of the store. */
  abort(id: string): Promise<void> {
    const controller = this.live.get(id);
    if (controller === undefined) this.end(id, { kind: 'cancelled' });
    else controller.abort('requested');
    return Promise.resolve();
  }

  dispose(): void {
    this.isOpen = false;
    for (const controller of this.live.values()) controller.abort('the window is closed');
    this.live.clear();
  }

  private async carryOut(run: Run, signal: AbortSignal): Promise<void> {
    const { clock, tools } = this.context;
    try {
      const model = await this.models.open(run.request.model?.model);
      const session = this.context.state.sessions.get(run.sessionId);
      const provider: ModelProvider = { ...windowProvider, contextTokens: model.contextTokens };
      const parts = { provider, name: model.name, session, servers: [], context: this.context };
      const spec = { ...modelRunSpec(run, parts), code: null };
      const ignored = run.request.model?.codeExecution === true ? ['enable_code_execution'] : [];
      await this.emit(run.id)('runner.window.bound', { message: boundMessage });
      await runModelLoop(
        { ...spec, ignored: [...spec.ignored, ...ignored] },
        {
          model,
          openTools: (ended) => tools.open(run, ended),
          code: undefined,
          emit: this.emit(run.id),
          clock,
          random: Math.random,
          signal,
        },
      );
      // Nothing of it could be stored.
      this.end(run.id, windowGoneEnd);
    } catch (error) {
      const { reason, message } = OrchestratorError.from(error);
      this.end(run.id, { kind: 'failed', reason, message });
    } finally {
      this.live.delete(run.id);
      this.queue.release(run.id);
      if (this.isOpen) this.pump();
    }
  }

  /** Stores an event of the run with what becomes of it. */
  private emit(id: string): EmitRunEvent {
    return (type, data) => {
      if (!this.isOpen) return Promise.resolve();
      const { log, clock, failures } = this.context;
      try {
        log.commit((tx) => {
          const run = tx.get('run', id);
          // `error` repeats how it has ended.
          if (run === undefined || (isRunEnded(run) && type !== 'error')) return;
          const told = appendRunEvent(tx, run, { type, data } as RunEvent, clock.now());
          if (told !== run) tx.put('run', told);
        });
      } catch (error) {
        failures.report(error, `store what the run ${id} reported`);
      }
      return Promise.resolve();
    };
  }

  private end(id: string, end: RunEnd): void {
    if (!this.isOpen) return;
    const { log, clock } = this.context;
    log.commit((tx) => {
      const run = tx.get('run', id);
      if (run !== undefined && !isRunEnded(run)) tx.put('run', appendRunEnd(tx, run, end, clock.now()));
    });
  }
}

const windowProvider: ModelProvider = {
  id: vscodeProviderId,
  title: 'VS Code',
  kind: 'vscode',
  baseUrl: '',
  keyEnv: null,
  defaultModel: null,
  prices: {},
  idleTimeoutMs: 60_000,
  contextTokens: 16_000,
};

const windowGoneEnd: RunEnd = {
  kind: 'failed',
  reason: 'closed',
  message:
    'The window that asked the model was closed or reloaded while this run was going on. Use Retry to run it again.',
};
