import type { Container, ContainerExit, CreateContainerRequest } from '../containers/container.ts';
import type { ContainerManager } from '../containers/containerManager.ts';
import type { ContainerEngine, EngineInfo } from '../ports/containerEngine.ts';

/** The part of the container manager and its engine that tasks need. */
export interface TaskContainerSource {
  ready(): Promise<EngineInfo>;
  /** The engine's machine, as containers of its default network see it; undefined where it cannot be told. */
  gateway(): Promise<string | undefined>;
  run(request: CreateContainerRequest): Promise<Container>;
  stop(id: string, options?: { readonly graceMs?: number | undefined }): Promise<Container>;
  remove(id: string, options?: { readonly force?: boolean | undefined }): Promise<void>;
  list(filter: { readonly labels: Readonly<Record<string, string>> }): Container[];
  waitForExit(id: string, signal?: AbortSignal): Promise<ContainerExit>;
}

/** Docker's name and Podman's. */
const defaultNetworks: ReadonlySet<string> = new Set(['bridge', 'podman']);

/** @param engine undefined where there is none; then there is no source. */
export function taskContainerSource(
  manager: ContainerManager,
  engine: Pick<ContainerEngine, 'listNetworks'> | undefined,
): TaskContainerSource | undefined {
  if (engine === undefined) return undefined;
  return {
    ready: () => manager.ready(),
    async gateway() {
      const networks = await engine.listNetworks({});
      return networks.find(({ name }) => defaultNetworks.has(name))?.gateway;
    },
    run: (request) => manager.run(request),
    stop: (id, options) => manager.stop(id, options),
    remove: (id, options) => manager.remove(id, options),
    list: (filter) => manager.list(filter),
    waitForExit: (id, signal) => manager.waitForExit(id, signal),
  };
}
