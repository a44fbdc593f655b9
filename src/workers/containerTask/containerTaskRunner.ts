import type { Clock } from '../../base/clock.ts';
import { type Disposable, DisposableStore } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { IdSource } from '../../base/ids.ts';
import type { CallbackResult } from '../../core/containerTasks/callback.ts';
import { type ContainerTaskSpec, taskCommand } from '../../core/containerTasks/containerTaskSpec.ts';
import type { WorkerCommand } from '../../core/ports/processHost.ts';
import type { RunnerResult } from '../../core/runs/run.ts';
import type { WorkerTerminals } from '../../processHost/workerClient.ts';
import { CallbackIntake } from './callbackIntake.ts';
import { type CallbackListener, createCallbackListener } from './callbackListener.ts';
import { LocalProgram } from './localProgram.ts';
import { createNamespace } from './namespace.ts';
import { type EmitTaskEvent, type ProgramEnd, TaskRunReport } from './taskRunReport.ts';
import { clearEndpoint, openSocketToAll, prepareSockets, writeEndpoint } from './taskFiles.ts';

/** What the program has to end by itself after it gave its result. */
const resultGraceMs = 10_000;

export interface ContainerTaskDependencies {
  readonly emit: EmitTaskEvent;
  readonly terminals: WorkerTerminals;
  readonly clock: Clock;
  readonly ids: IdSource;
  /** 64 hex characters; each call another one. */
  readonly newToken: () => string;
  /** Of this worker; what the spec names of it is passed on. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/**
 * One execution of a container task: listens for its callbacks, starts its program (or has the core start its
 * container), and ends with it. It needs no core, except where the core makes the container.
 */
export class ContainerTaskRunner implements Disposable {
  private readonly spec: ContainerTaskSpec;
  private readonly deps: ContainerTaskDependencies;
  private readonly report: TaskRunReport;
  private readonly intake: CallbackIntake;
  private readonly disposables = new DisposableStore();
  private readonly containerEnd = Promise.withResolvers<ProgramEnd>();
  private readonly stopped = Promise.withResolvers<ProgramEnd>();
  private readonly namespace: ReturnType<typeof createNamespace>;
  private program: LocalProgram | undefined;
  private result: CallbackResult | undefined;
  private stopOutcome: 'cancelled' | 'timed_out' | undefined;
  private hasContainerStarted = false;

  constructor(spec: ContainerTaskSpec, deps: ContainerTaskDependencies) {
    this.spec = spec;
    this.deps = deps;
    this.report = new TaskRunReport(spec, deps.emit, deps.clock);
    this.intake = this.disposables.add(
      new CallbackIntake(deps.emit, deps.clock, (result) => this.handleResult(result)),
    );
    this.namespace = this.disposables.add(
      createNamespace({ spec, secret: deps.newToken(), notify: (data) => this.intake.notify(data) }),
    );
  }

  /** Reports the run to its end; never rejects for what goes wrong in it. */
  async run(): Promise<void> {
    this.report.begin();
    let listener: CallbackListener | undefined;
    try {
      listener = await this.listen();
      const end = await this.carryOut();
      await this.intake.finish();
      const outcome = this.outcomeOf(end);
      this.report.programEnded(end, outcome);
      this.report.finish(outcome);
    } catch (error) {
      this.report.fail(OrchestratorError.from(error).toShape());
    } finally {
      await listener?.close();
      await clearEndpoint(this.spec.paths);
    }
  }

  /** @param reason of the abort, for the log. */
  abort(reason: string): void {
    if (this.stopOutcome === undefined) this.report.abortRequested(reason);
    this.stop('cancelled');
  }

  handleCommand({ type, data = {} }: WorkerCommand): void {
    const text = (name: string): string => {
      const value = data[name];
      return typeof value === 'string' ? value : '';
    };
    switch (type) {
      case 'abort':
        this.abort(text('reason') || 'requested');
        break;
      case taskCommand.containerStarted: {
        // A core that did not live to hear that it was told asks for it again.
        if (this.hasContainerStarted) break;
        this.hasContainerStarted = true;
        const podAddress = text('pod_address') || null;
        this.namespace.setPodAddress(podAddress);
        this.deps
          .emit('container_task.container', {
            container_id: text('container_id'),
            name: text('name'),
            image: text('image'),
            pod_address: podAddress,
          })
          .catch(() => undefined);
        if (this.spec.executable === null) this.report.programStarted();
        break;
      }
      case taskCommand.containerEnded: {
        const exitCode = data['exit_code'];
        this.containerEnd.resolve({
          exitCode: typeof exitCode === 'number' ? exitCode : null,
          reason: text('reason') || 'exited',
          message: text('message') || null,
        });
        break;
      }
      default:
        break;
    }
  }

  dispose(): void {
    this.disposables.dispose();
    this.program?.dispose();
  }

  private async listen(): Promise<CallbackListener> {
    const { spec, deps } = this;
    await prepareSockets(spec.paths);
    const token = deps.newToken();
    const listener = await createCallbackListener({
      taskId: spec.taskId,
      token,
      hosts: spec.listenHosts,
      socket: spec.paths.socket,
      intake: this.intake,
      namespace: spec.executable?.type === 'node' ? this.namespace : undefined,
    });
    try {
      await openSocketToAll(spec.paths);
      const callbackUrl = listener.callbackUrl(spec.advertisedHost);
      await writeEndpoint(spec.paths, { runId: spec.runId, callbackUrl, token });
      await deps.emit('container_task.listening', {
        addresses: listener.addresses,
        socket: spec.paths.socket,
      });
      if (spec.executable !== null) {
        // A program on this machine reaches us by loopback, whatever a container needs.
        const endpoint = { callbackUrl: listener.callbackUrl(spec.listenHosts[0] ?? '127.0.0.1'), token };
        this.program = new LocalProgram(spec, spec.executable, {
          ...deps,
          report: this.report,
          endpoint,
          namespaceSecret: this.namespace.secret,
        });
      }
      return listener;
    } catch (error) {
      await listener.close();
      throw error;
    }
  }

  /** @returns how the program, or without one the container, ended. */
  private async carryOut(): Promise<ProgramEnd> {
    const { spec, deps, program } = this;
    if (spec.timeoutMs !== null) {
      this.disposables.add(deps.clock.setTimer(spec.timeoutMs, () => this.stop('timed_out')));
    }
    if (spec.wantsContainer && this.stopOutcome === undefined) {
      await deps.emit('container_task.container_wanted', {});
    }
    if (program === undefined) return Promise.race([this.containerEnd.promise, this.stopped.promise]);
    if (this.stopOutcome !== undefined) return this.stopped.promise;
    return program.run();
  }

  private handleResult(result: CallbackResult): void {
    this.result = result;
    const timer = this.deps.clock.setTimer(resultGraceMs, () => {
      // A container is stopped by the core, which hears of the end of the run.
      this.stopped.resolve({ exitCode: null, reason: 'killed', message: null });
      void this.program?.kill();
    });
    this.disposables.add(timer);
  }

  private stop(outcome: 'cancelled' | 'timed_out'): void {
    if (this.stopOutcome !== undefined) return;
    this.stopOutcome = outcome;
    this.stopped.resolve({ exitCode: null, reason: 'killed', message: null });
    this.program?.stop(outcome);
  }

  /** The task's own result is its word on what became of it; without one the exit code tells. */
  private outcomeOf(end: ProgramEnd): RunnerResult['outcome'] {
    if (this.stopOutcome !== undefined && this.result === undefined) return this.stopOutcome;
    if (this.result !== undefined) return this.result.status === 'failed' ? 'failed' : 'succeeded';
    return end.exitCode === 0 ? 'succeeded' : 'failed';
  }
}
