import { type Disposable, DisposableMap, toDisposable } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import { type Container, type ContainerExit, isContainerLive } from '../containers/container.ts';
import type { CoreContext } from '../context.ts';
import type { ContainerTaskPlaces } from '../ports/containerTasks.ts';
import { isRunEnded, type Run } from '../runs/run.ts';
import type { ContainerTask, TaskContainer } from './containerTask.ts';
import type { TaskContainerSource } from './taskContainerSource.ts';
import { declaredEnvironment } from './taskEnvironment.ts';
import { callbackEnvironment, containerSocketFolder, taskCommand } from './containerTaskSpec.ts';

/** Where the listener of a task listens, and by which name its program reaches it. */
export interface CallbackHosts {
  readonly listenHosts: readonly string[];
  readonly advertisedHost: string;
}

const loopback = '127.0.0.1';
const loopbackOnly: CallbackHosts = { listenHosts: [loopback], advertisedHost: loopback };
const taskLabel = 'orchestrator.container-task';
const runLabel = 'orchestrator.container-task.run';
/** What a container has to end by itself when its task has ended. */
const stopGraceMs = 5_000;
/** A command is given again where only the connection broke: the worker takes each of them once. */
const commandAttempts = 3;

/**
 * The containers of tasks: made when a worker asks for one, stopped when its run has ended, whatever ended it. All of
 * it may be asked for twice: a container knows its run by a label.
 */
export class TaskContainers implements Disposable {
  private readonly context: CoreContext;
  private readonly places: ContainerTaskPlaces;
  private readonly source: TaskContainerSource | undefined;
  private readonly watches = new DisposableMap<string, Disposable>();

  constructor(context: CoreContext, places: ContainerTaskPlaces, source: TaskContainerSource | undefined) {
    this.context = context;
    this.places = places;
    this.source = source;
  }

  /** Errors: `container_engine_missing`, and those of the engine. */
  async hostsFor({ network }: TaskContainer): Promise<CallbackHosts> {
    const source = this.required();
    const info = await source.ready();
    if (network === 'none') return loopbackOnly;
    // Behind a virtual machine the gateway is that machine's: its engine passes this name on to our loopback.
    if (!info.isLocal || this.context.environment.platform !== 'linux') {
      const name = info.kind === 'podman' ? 'host.containers.internal' : 'host.docker.internal';
      return { listenHosts: [loopback], advertisedHost: name };
    }
    const gateway = await source.gateway();
    if (gateway === undefined) {
      throw new OrchestratorError(
        'FAILED_PRECONDITION',
        'container_engine_missing',
        'The engine has no default network, so a task\'s container could not call back. Use the network "none", with the Unix socket.',
      );
    }
    return { listenHosts: [gateway, loopback], advertisedHost: gateway };
  }

  /** Makes the container of a run, unless there is one; tells its worker, and tells it of its end. Never throws. */
  async provide(task: ContainerTask, run: Run): Promise<void> {
    if (this.watches.has(run.id)) return;
    const watch = new AbortController();
    this.watches.set(
      run.id,
      toDisposable(() => watch.abort()),
    );
    try {
      const container = await this.ensure(task, run);
      if (!this.context.state.liveRuns.has(run.id)) {
        // The run has ended while its container was made: who ended it did not see it yet.
        await this.end(run.id);
        return;
      }
      await this.command(run.id, taskCommand.containerStarted, {
        container_id: container.id,
        name: container.name,
        image: container.image,
        pod_address: podAddressOf(task.manifest.container, container) ?? '',
      });
      const exit = await this.required().waitForExit(container.id, watch.signal);
      await this.command(run.id, taskCommand.containerEnded, {
        exit_code: exit.exitCode,
        reason: exit.reason,
        message: endMessage(exit) ?? '',
      });
    } catch (error) {
      const failure = OrchestratorError.from(error);
      // Given up because the run has ended, or left to the next core.
      if (watch.signal.aborted || failure.reason === 'closed') return;
      await this.command(run.id, taskCommand.containerEnded, {
        exit_code: null,
        reason: failure.reason,
        message: failure.message,
      });
    }
  }

  /** Its run has ended: its container ends too. It stays until the next execution, for its output. Never throws. */
  async end(runId: string): Promise<void> {
    this.watches.delete(runId);
    await this.each({ [runLabel]: runId }, (id) => this.required().stop(id, { graceMs: stopGraceMs }));
  }

  /** Start-up: ends the containers of runs that ended when no core lived to do it. Never throws. */
  async endStale(): Promise<void> {
    const { liveRuns } = this.context.state;
    const stale = (this.source?.list({ labels: {} }) ?? []).flatMap((container) => {
      const runId = container.config.labels[runLabel];
      return runId !== undefined && isContainerLive(container) && !liveRuns.has(runId) ? [runId] : [];
    });
    await Promise.all(stale.map((runId) => this.end(runId)));
  }

  /** Removes what earlier executions have left. Never throws. */
  async removeAll(taskId: string): Promise<void> {
    await this.each({ [taskLabel]: taskId }, (id) => this.required().remove(id, { force: true }));
  }

  dispose(): void {
    this.watches.dispose();
  }

  private async ensure(task: ContainerTask, run: Run): Promise<Container> {
    const source = this.required();
    await source.ready();
    const [known] = source.list({ labels: { [runLabel]: run.id } });
    // One that no core lived to start is made anew.
    if (known !== undefined && (known.startedAt !== undefined || known.exit !== undefined)) return known;
    await this.removeAll(task.id);
    const endpoint = await this.places.readEndpoint(task.id);
    const { container } = task.manifest;
    const current = this.context.state.liveRuns.get(run.id);
    if (
      endpoint?.runId !== run.id ||
      container === undefined ||
      current === undefined ||
      isRunEnded(current)
    ) {
      throw new OrchestratorError('FAILED_PRECONDITION', 'task_not_running', 'The task has ended meanwhile.');
    }
    const { socketFolder } = await this.places.prepare(task.id);
    for (const { source: path, isMade } of container.mounts) {
      if (isMade === true) await this.places.makeFolder(path);
    }
    const mounts = container.mounts.map(({ source: path, target, isReadOnly }) => ({
      type: 'bind' as const,
      source: path,
      target,
      readOnly: isReadOnly,
    }));
    return source.run({
      sessionId: task.sessionId,
      name: `user-${task.id}`.slice(0, 120),
      image: container.image,
      isWarmable: true,
      entrypoint: container.entrypoint,
      command: container.command,
      workingDir: container.workingDirectory,
      env: {
        ...declaredEnvironment(task.manifest, this.context),
        ...callbackEnvironment(task.id, endpoint, `${containerSocketFolder}/callback.sock`),
      },
      labels: { [taskLabel]: task.id, [runLabel]: run.id },
      mounts: [
        ...mounts,
        { type: 'bind', source: socketFolder, target: containerSocketFolder, readOnly: false },
      ],
      ports:
        container.podPort === null || container.network === 'none'
          ? []
          : [{ containerPort: container.podPort, hostPort: 0, protocol: 'tcp', hostIp: loopback }],
      network: container.network,
      extraHosts: container.network === 'none' ? [] : ['host.docker.internal:host-gateway'],
      resources: {
        ...(container.cpus === undefined ? {} : { nanoCpus: Math.round(container.cpus * 1e9) }),
        ...(container.memoryBytes === undefined ? {} : { memoryBytes: container.memoryBytes }),
        ...(container.pidsLimit === undefined ? {} : { pidsLimit: container.pidsLimit }),
      },
      // What the manifest asks for was checked when the task was started, by the person or by the session's policy.
      allow: {
        network: container.network !== 'none',
        volumeMount: true,
        paths: [socketFolder, ...container.mounts.map(({ source: path }) => path)],
        approved: true,
      },
    });
  }

  private async command(runId: string, type: string, data: Record<string, unknown>): Promise<void> {
    const { processHost, logger } = this.context;
    for (let attempt = 1; ; attempt += 1) {
      try {
        await processHost.ensureConnected();
        await processHost.commandWorker(runId, { type, data });
        return;
      } catch (error) {
        const isBroken =
          OrchestratorError.is(error, 'process_host_lost') && processHost.connection.state !== 'lost';
        if (isBroken && attempt < commandAttempts) continue;
        // It has ended; if not, the next core tells it again.
        logger.debug(`The worker ${runId} did not take ${type}`, error);
        return;
      }
    }
  }

  private async each(
    labels: Readonly<Record<string, string>>,
    action: (id: string) => Promise<unknown>,
  ): Promise<void> {
    for (const { id, name } of this.source?.list({ labels }) ?? []) {
      try {
        await action(id);
      } catch (error) {
        if (OrchestratorError.is(error, 'container_not_found')) continue;
        this.context.failures.report(error, `end the container "${name}" of a task`);
      }
    }
  }

  private required(): TaskContainerSource {
    if (this.source !== undefined) return this.source;
    throw new OrchestratorError(
      'FAILED_PRECONDITION',
      'container_engine_missing',
      'This task needs a container engine, and none is set up. Install Docker or Podman, and start the task again.',
    );
  }
}

function podAddressOf(wanted: TaskContainer | undefined, { ports }: Container): string | undefined {
  const bound = ports.find(({ containerPort }) => containerPort === wanted?.podPort);
  return bound === undefined || bound.hostPort === 0 ? undefined : `${loopback}:${bound.hostPort}`;
}

function endMessage({ reason, exitCode, error }: ContainerExit): string | undefined {
  if (reason === 'out_of_memory') return 'The container was ended because it used more memory than it may.';
  if (error !== undefined) return error;
  if (reason === 'lost') return 'The container was gone when it was looked for.';
  return exitCode === 0 || exitCode === null ? undefined : `The container ended with exit code ${exitCode}.`;
}
