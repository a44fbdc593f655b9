import { join } from 'node:path';
import type { IdSource } from '../base/ids.ts';
import type { Logger } from '../base/logger.ts';
import type { ContainerParts } from '../core/ports/containerParts.ts';
import { createFileRecords } from './containerRecords/fileRecords.ts';
import { createDockerEngine } from './docker/dockerEngine.ts';
import { installationId } from './system/installationId.ts';

export interface ContainerPartsOptions {
  readonly stateDir: string;
  readonly ids: IdSource;
  readonly logger: Logger;
  /** The engine's address that the person has set; read with each search. */
  readonly address?: (() => string | undefined) | undefined;
  /** How much output of one container is kept, in bytes. */
  readonly recordLimitBytes: number;
}

/** What containers need, on a state directory that is locked. Nothing is connected before the first use. */
export function createContainerParts(options: ContainerPartsOptions): ContainerParts & { dispose(): void } {
  const { stateDir, ids, logger, address, recordLimitBytes } = options;
  const engine = createDockerEngine({ address, logger });
  const records = createFileRecords(join(stateDir, 'containers'), recordLimitBytes);
  return {
    engine,
    records,
    installationId: installationId(stateDir, ids),
    stateDirectory: stateDir,
    dispose: () => {
      engine.dispose();
      records.dispose();
    },
  };
}
