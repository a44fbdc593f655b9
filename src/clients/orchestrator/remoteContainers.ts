import { type Disposable, toDisposable } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { Container, ContainerExit, CreateContainerRequest } from '../../core/containers/container.ts';
import type { ContainerAccess } from '../../core/containers/containerAccess.ts';
import type { ExecRequest } from '../../core/containers/containerCommands.ts';
import type { ContainerFilter } from '../../core/containers/containerManager.ts';
import type { FollowOutputOptions } from '../../core/containers/containerOutput.ts';
import type { EngineExec, EngineInfo, StreamSink } from '../../core/ports/containerEngine.ts';
import type { RecordedOutput } from '../../core/ports/containerRecords.ts';
import type { ResourceUsage } from '../../core/resources.ts';
import { containerStates } from '../../protocol/containerWords.ts';
import {
  type Container as ContainerMessage,
  ContainerServiceDefinition,
} from '../../protocol/gen/container/v1/container.ts';
import type { GrpcClient } from '../grpc/grpcClient.ts';
import type { RpcClient } from '../grpc/rpcClient.ts';
import { containerOf, createMessage, engineOf, exitOf, outputOf } from './containerRecords.ts';
import { execRemotely } from './remoteExec.ts';
import { remoteImages } from './remoteImages.ts';
import { remoteResources } from './remoteResources.ts';
import { present } from './values.ts';

/** An engine may take long to make, start or end something on a loaded machine. */
const engineLimitMs = 60_000;
const defaultGraceMs = 10_000;

/** The containers of an orchestrator behind its gRPC door, with the rights of the person. */
export class RemoteContainers implements ContainerAccess {
  readonly images: ContainerAccess['images'];
  readonly resources: ContainerAccess['resources'];
  readonly output: ContainerAccess['output'] = {
    follow: (id, options) => this.followOutput(id, options),
  };
  private readonly service: RpcClient<typeof ContainerServiceDefinition>;

  constructor(client: GrpcClient) {
    this.service = client.service(ContainerServiceDefinition);
    this.images = remoteImages(this.service);
    this.resources = remoteResources(this.service);
  }

  async ready(): Promise<EngineInfo> {
    const { engine } = await this.service.getEngine({}, { timeoutMs: engineLimitMs });
    return engineOf(present(engine, 'engine'));
  }

  create(request: CreateContainerRequest): Promise<Container> {
    return answered(
      this.service.createContainer(createMessage(request, false), { timeoutMs: engineLimitMs }),
    );
  }

  run(request: CreateContainerRequest): Promise<Container> {
    return answered(this.service.createContainer(createMessage(request, true), { timeoutMs: engineLimitMs }));
  }

  get(containerId: string): Promise<Container> {
    return answered(this.service.getContainer({ containerId }));
  }

  async list({ sessionId = '', state, labels = {} }: ContainerFilter = {}): Promise<readonly Container[]> {
    const { containers } = await this.service.listContainers({
      sessionId,
      state: state === undefined ? 0 : containerStates[state],
      labels: { ...labels },
    });
    return containers.map(containerOf);
  }

  start(containerId: string): Promise<Container> {
    return answered(this.service.startContainer({ containerId }, { timeoutMs: engineLimitMs }));
  }

  stop(containerId: string, { graceMs }: { readonly graceMs?: number | undefined } = {}): Promise<Container> {
    const timeoutMs = (graceMs ?? defaultGraceMs) + engineLimitMs;
    return answered(this.service.stopContainer({ containerId, graceMs }, { timeoutMs }));
  }

  restart(
    containerId: string,
    { graceMs }: { readonly graceMs?: number | undefined } = {},
  ): Promise<Container> {
    const timeoutMs = (graceMs ?? defaultGraceMs) + engineLimitMs;
    return answered(this.service.restartContainer({ containerId, graceMs }, { timeoutMs }));
  }

  kill(containerId: string, signal = ''): Promise<Container> {
    return answered(this.service.killContainer({ containerId, signal }, { timeoutMs: engineLimitMs }));
  }

  pause(containerId: string): Promise<Container> {
    return answered(this.service.pauseContainer({ containerId }, { timeoutMs: engineLimitMs }));
  }

  unpause(containerId: string): Promise<Container> {
    return answered(this.service.unpauseContainer({ containerId }, { timeoutMs: engineLimitMs }));
  }

  async remove(containerId: string, { force }: { readonly force?: boolean | undefined } = {}): Promise<void> {
    const request = { containerId, isForced: force ?? false };
    await this.service.removeContainer(request, { timeoutMs: engineLimitMs });
  }

  exec(id: string, request: ExecRequest, sink: StreamSink): Promise<EngineExec> {
    return execRemotely(this.service, id, request, sink);
  }

  async write(containerId: string, data: Uint8Array): Promise<void> {
    await this.service.writeInput({ containerId, data });
  }

  async resize(containerId: string, cols: number, rows: number): Promise<void> {
    await this.service.resizeContainer({ containerId, cols, rows });
  }

  async inspect(containerId: string): Promise<unknown> {
    return present((await this.service.inspectContainer({ containerId })).details, 'details');
  }

  async usage(containerId: string): Promise<ResourceUsage> {
    const { usage } = await this.service.getUsage({ containerId }, { timeoutMs: engineLimitMs });
    return present(usage, 'usage');
  }

  async watchUsage(containerId: string, onUsage: (usage: ResourceUsage) => void): Promise<Disposable> {
    // A stream tells only later that there is nothing to measure.
    await this.get(containerId);
    const stop = new AbortController();
    const read = async (): Promise<void> => {
      for await (const { usage } of this.service.watchUsage({ containerId }, { signal: stop.signal })) {
        if (usage !== undefined) onUsage(usage);
      }
    };
    // Its end is that of the container, or of the connection, and both are told elsewhere.
    read().catch(() => undefined);
    return toDisposable(() => stop.abort());
  }

  async waitForExit(containerId: string, signal?: AbortSignal): Promise<ContainerExit> {
    const { exit } = await this.service.waitForExit({ containerId }, { signal, timeoutMs: 0 });
    return exitOf(present(exit, 'exit'));
  }

  private async *followOutput(
    containerId: string,
    options: FollowOutputOptions = {},
  ): AsyncGenerator<RecordedOutput, void, undefined> {
    const { from, lines, since, follows = false, signal } = options;
    const sinceTime = since === undefined ? undefined : new Date(since);
    const request = { containerId, from, sinceTime, lines, follows };
    try {
      for await (const piece of this.service.readLogs(request, { signal })) yield outputOf(piece);
    } catch (error) {
      // Here as there, the signal is no failure.
      if (signal?.aborted !== true) throw OrchestratorError.from(error);
    }
  }
}

async function answered(
  answer: Promise<{ readonly container?: ContainerMessage | undefined }>,
): Promise<Container> {
  return containerOf(present((await answer).container, 'container'));
}
