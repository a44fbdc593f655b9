import type { ContainerEngine } from './containerEngine.ts';
import type { ContainerRecords } from './containerRecords.ts';

/** What containers need beyond what every manager has. Disposed by whoever made it, after the core was closed. */
export interface ContainerParts {
  readonly engine: ContainerEngine;
  readonly records: ContainerRecords;
  /** Of this state directory, for ever: by it we know at an engine what is ours. 32 hex characters. */
  readonly installationId: string;
  /** Its path. Containers say it, so that those of one that is no more can be told apart by another core. */
  readonly stateDirectory?: string | undefined;
}
