import { existsSync } from 'node:fs';
import { createDockerEngine } from '../../src/adapters/docker/dockerEngine.ts';
import { nullLogger } from '../../src/base/logger.ts';
import type { ContainerEngine, EngineContainerSpec } from '../../src/core/ports/containerEngine.ts';
import { type TempDir, tempDir } from './tempDir.ts';
import { testImage } from './testImage.ts';

export type Variables = Readonly<Record<string, string>>;

/** Clients of engines with a home of their own: nothing of who runs the tests is seen by them. */
export class EngineClients implements AsyncDisposable {
  readonly home: string;
  private readonly dir: TempDir;
  private readonly open: ContainerEngine[] = [];

  private constructor(dir: TempDir) {
    this.dir = dir;
    this.home = dir.path;
  }

  static async create(): Promise<EngineClients> {
    return new EngineClients(await tempDir('ow-home'));
  }

  client(env: Variables, setting?: string): ContainerEngine {
    const made = createDockerEngine({
      address: () => setting,
      env: { PATH: process.env['PATH'], ...env },
      home: this.home,
      logger: nullLogger,
    });
    this.open.push(made);
    return made;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.open) client.dispose();
    await this.dir[Symbol.asyncDispose]();
  }
}

/** Tests of the usual places need a machine whose own are empty: the tests' engines are elsewhere. */
export function expectNoEngineAtUsualPlaces(): void {
  const found = ['/var/run/docker.sock', '/run/podman/podman.sock'].filter((path) => existsSync(path));
  if (found.length > 0) throw new Error(`This test cannot show anything where there is ${found.join(', ')}.`);
}

/** A container of which nothing more is asked. */
export const engineSpec = (
  command: readonly string[],
  more: Partial<EngineContainerSpec> = {},
): EngineContainerSpec => ({
  name: `test-${Math.random().toString(36).slice(2)}`,
  image: testImage,
  entrypoint: [],
  command,
  env: {},
  workingDir: undefined,
  user: undefined,
  labels: { test: 'yes' },
  mounts: [],
  ports: [],
  network: 'none',
  networks: [],
  extraHosts: [],
  resources: { nanoCpus: 0, memoryBytes: 0, memorySwap: 0 },
  restart: { name: 'no', maximumRetryCount: 0 },
  readOnlyRoot: false,
  tty: false,
  openInput: false,
  health: undefined,
  capabilities: [],
  ...more,
});
