// Podman's API service of the tests' own. Its containers do not run on every test machine: nothing here starts one.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { needPrograms } from './debianPackages.ts';
import { endProcesses, waitUntil } from './processes.ts';
import { type TempDir, tempDir } from './tempDir.ts';

export class TestPodman implements AsyncDisposable {
  readonly socketPath: string;
  private readonly dir: TempDir;
  private readonly child: ChildProcess;

  private constructor(dir: TempDir, child: ChildProcess, socketPath: string) {
    this.dir = dir;
    this.child = child;
    this.socketPath = socketPath;
  }

  static install(): void {
    needPrograms(['podman', 'runc'], ['podman', 'runc']);
  }

  static async start(): Promise<TestPodman> {
    TestPodman.install();
    const dir = await tempDir('ow-podman');
    const socketPath = join(dir.path, 'podman.sock');
    const child = spawn('podman', [...podmanArguments(dir.path), `unix://${socketPath}`], {
      stdio: 'ignore',
    });
    const podman = new TestPodman(dir, child, socketPath);
    await waitUntil('podman listens', () => existsSync(socketPath));
    return podman;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.pid !== undefined) await endProcesses([this.child.pid]);
    await this.dir[Symbol.asyncDispose]();
  }
}

/** Everything of it in a folder; the address of its socket must follow. */
export function podmanArguments(folder: string): string[] {
  const places = ['root', 'runroot', 'tmpdir'].flatMap((name) => [`--${name}`, join(folder, name)]);
  // Without overlays, nothing stays mounted.
  return [...places, '--storage-driver', 'vfs', 'system', 'service', '--time', '0'];
}
