import { type Disposable, DisposableMap, DisposableStore } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import { type Container, isContainerLive } from '../containers/container.ts';
import type { ContainerManager } from '../containers/containerManager.ts';
import type { CoreContext } from '../context.ts';
import { setVariables } from '../variables.ts';
import { appendContainerOutput, containerRunLabel, isContainerRun } from './containerRunEvents.ts';
import { reduceRun } from './reducer.ts';
import { isRunEnded, type Run } from './run.ts';
import { appendRunEnd, type RunEnd } from './runEnd.ts';
import type { RunEngine } from './runEngine.ts';
import type { RunQueue, RunStarter } from './runQueue.ts';

/** Ten a second, as runEvents.ts promises. */
const outputIntervalMs = 100;
/** What a program gets to end after an abort before it is killed. */
const stopGraceMs = 2_000;
/** Where the session's directory is in the container, if its policy allows that. */
const workFolder = '/workspace';
const maxTimerMs = 2 ** 31 - 1;

/**
 * Runs in containers: each in one of its own, made of the session's image by the session's policy, which runs the task as
 * a command line of `sh`. What becomes of the container becomes of the run, in the same transaction
 * (`settleContainerRuns`); here is what only somebody who lives can do: make it, stop it, tell what it prints.
 */
export class ContainerRunEngine implements RunEngine, RunStarter, Disposable {
  private readonly context: CoreContext;
  private readonly containers: ContainerManager;
  private readonly queue: RunQueue;
  /** Runs whose container is being made, or lives. */
  private readonly begun = new Set<string>();
  private readonly timers = new DisposableMap<string, Disposable>();
  private readonly disposables = new DisposableStore();
  private isOpen = false;

  constructor(context: CoreContext, containers: ContainerManager, queue: RunQueue) {
    this.context = context;
    this.containers = containers;
    this.queue = queue;
    this.disposables.add(this.timers);
    this.disposables.add(containers.output.onDidRecord((id) => this.noteOutput(id)));
    this.disposables.add(
      context.log.onDidCommit(({ changes }) => {
        for (const { kind, id, value } of changes) {
          if (kind === 'run' && this.begun.has(id) && (value === undefined || isRunEnded(value)))
            this.end(id);
        }
      }),
    );
  }

  get runningCount(): number {
    return this.begun.size;
  }

  owns(run: Run): boolean {
    return isContainerRun(run);
  }

  prepare(_tx: unknown, run: Run): Run {
    return run;
  }

  pump(): void {
    this.queue.fill();
  }

  canStart(run: Run): boolean {
    return this.isOpen && this.owns(run) && run.status === 'queued' && !this.begun.has(run.id);
  }

  begin(run: Run): void {
    this.begun.add(run.id);
    void this.launch(run);
  }

  /** Start-up: takes up what former cores began. */
  open(): void {
    this.isOpen = true;
    const lost: Run[] = [];
    for (const run of this.context.state.liveRuns.values()) {
      if (!this.owns(run) || run.status !== 'running') continue;
      const container = this.containerOf(run.id);
      if (container === undefined) {
        lost.push(run);
        continue;
      }
      this.begun.add(run.id);
      this.queue.take(run);
      this.watchTime(run);
      if (run.isAborting) void this.stop(run.id);
    }
    for (const { id } of lost) this.finish(id, goneEnd);
    this.pump();
  }

  /** A run whose container is not there yet is cancelled at once. Errors: those of the store. */
  async abort(id: string): Promise<void> {
    const { log, clock } = this.context;
    const isRunning = this.context.state.liveRuns.get(id)?.status === 'running';
    log.commit((tx) => {
      const run = tx.get('run', id);
      if (run === undefined || isRunEnded(run) || run.isAborting) return;
      if (!isRunning) {
        tx.put('run', appendRunEnd(tx, run, { kind: 'cancelled' }, clock.now()));
        return;
      }
      const scope = { sessionId: run.sessionId, runId: id };
      tx.put('run', reduceRun(run, tx.report('run.updated', scope, { is_aborting: true })));
    });
    if (isRunning) await this.stop(id);
  }

  dispose(): void {
    this.isOpen = false;
    this.disposables.dispose();
  }

  private async launch({ id, sessionId, request }: Run): Promise<void> {
    const { state } = this.context;
    try {
      await this.containers.ready();
      // One that a former core made, and did not live to start.
      const known = this.containerOf(id);
      const session = state.sessions.get(sessionId);
      if (known !== undefined) {
        await this.containers.start(known.id);
      } else if (session !== undefined && state.liveRuns.has(id)) {
        const { policy } = session.config;
        const { image } = request.metadata ?? {};
        await this.containers.run({
          sessionId,
          image: typeof image === 'string' ? image : (session.image ?? ''),
          entrypoint: ['/bin/sh', '-c'],
          command: [request.task],
          env: setVariables(request.env),
          labels: { [containerRunLabel]: id },
          network: policy.allowNetwork ? (policy.allowedNetworks[0] ?? 'bridge') : undefined,
          ...(policy.allowVolumeMount
            ? {
                workingDir: workFolder,
                mounts: [{ type: 'bind', source: session.cwd, target: workFolder, readOnly: false }],
              }
            : {}),
        });
      }
    } catch (error) {
      const { reason, message } = OrchestratorError.from(error);
      // Left to the next core, which finds the container by its label.
      if (reason !== 'closed') this.finish(id, { kind: 'failed', reason, message });
      return;
    }
    const run = state.liveRuns.get(id);
    // It was cancelled while its container was made.
    if (run === undefined) await this.stop(id);
    else this.watchTime(run);
  }

  private watchTime(run: Run): void {
    const { timeoutMs } = run.request;
    if (timeoutMs === undefined || run.startedAt === undefined) return;
    const left = run.startedAt + timeoutMs - this.context.clock.now();
    const timer = this.context.clock.setTimer(
      Math.min(Math.max(0, left), maxTimerMs),
      () => void this.stop(run.id),
    );
    this.timers.set(`limit ${run.id}`, timer);
  }

  /** Never throws: whoever connects to the engine again sees what has become of it. */
  private async stop(runId: string): Promise<void> {
    const container = this.containerOf(runId);
    if (container === undefined || !isContainerLive(container)) return;
    try {
      await this.containers.stop(container.id, { graceMs: stopGraceMs });
    } catch (error) {
      if (!OrchestratorError.is(error, 'closed')) {
        this.context.failures.report(error, `stop the container "${container.name}"`);
      }
    }
  }

  private containerOf(runId: string): Container | undefined {
    return this.containers.list({ labels: { [containerRunLabel]: runId } })[0];
  }

  private noteOutput(containerId: string): void {
    const runId = this.context.state.containers.get(containerId)?.config.labels[containerRunLabel];
    if (runId === undefined || !this.begun.has(runId) || this.timers.has(runId)) return;
    const timer = this.context.clock.setTimer(outputIntervalMs, () => {
      this.timers.delete(runId);
      this.tellOutput(runId, containerId);
    });
    this.timers.set(runId, timer);
  }

  private tellOutput(runId: string, containerId: string): void {
    const { log, state, clock, failures } = this.context;
    if (!this.isOpen || !state.liveRuns.has(runId) || !state.containers.has(containerId)) return;
    try {
      const end = this.containers.output.end(containerId);
      log.commit((tx) => {
        const run = tx.get('run', runId);
        if (run === undefined) return;
        const told = appendContainerOutput(tx, run, containerId, end, clock.now());
        if (told !== run) tx.put('run', told);
      });
    } catch (error) {
      failures.report(error, `store what the run ${runId} printed`);
    }
  }

  private finish(id: string, end: RunEnd): void {
    const { log, clock, failures } = this.context;
    try {
      log.commit((tx) => {
        const run = tx.get('run', id);
        if (run !== undefined) tx.put('run', appendRunEnd(tx, run, end, clock.now()));
      });
    } catch (error) {
      failures.report(error, `store the end of the run ${id}`);
    }
    this.end(id);
  }

  private end(id: string): void {
    this.begun.delete(id);
    this.timers.delete(id);
    this.timers.delete(`limit ${id}`);
    this.queue.release(id);
    this.pump();
  }
}

const goneEnd: RunEnd = {
  kind: 'failed',
  reason: 'container_not_found',
  message: 'The container of this run is not there any more. Use Retry to run it again.',
};
