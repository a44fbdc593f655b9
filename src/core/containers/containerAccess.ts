import type { Container } from './container.ts';
import type { ContainerImages } from './containerImages.ts';
import type { ContainerFilter, ContainerManager } from './containerManager.ts';
import type { ContainerOutput } from './containerOutput.ts';
import type { SessionResources } from './sessionResources.ts';

/**
 * Containers as whoever asks and acts uses them, wherever their orchestrator is: the ContainerManager of this process is
 * one, and so is what speaks with one behind its gRPC door.
 */
export interface ContainerAccess
  extends Pick<
    ContainerManager,
    | 'ready'
    | 'create'
    | 'run'
    | 'start'
    | 'stop'
    | 'restart'
    | 'kill'
    | 'pause'
    | 'unpause'
    | 'remove'
    | 'exec'
    | 'write'
    | 'resize'
    | 'inspect'
    | 'usage'
    | 'watchUsage'
    | 'waitForExit'
  > {
  /** Error: `container_not_found`. */
  get(id: string): Container | Promise<Container>;
  /** Oldest first, ended ones too. */
  list(filter?: ContainerFilter): readonly Container[] | Promise<readonly Container[]>;
  readonly output: Pick<ContainerOutput, 'follow'>;
  readonly images: Pick<ContainerImages, 'list' | 'pull' | 'build' | 'import' | 'remove'>;
  readonly resources: Pick<
    SessionResources,
    'createNetwork' | 'networks' | 'removeNetwork' | 'createVolume' | 'volumes' | 'removeVolume'
  >;
}
