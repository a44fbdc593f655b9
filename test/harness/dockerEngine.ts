// A real Docker engine of the tests' own, and an image to run in it. Needs root on Linux; what is missing is installed.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { createDockerEngine } from '../../src/adapters/docker/dockerEngine.ts';
import { nullLogger } from '../../src/base/logger.ts';
import type { ContainerEngine } from '../../src/core/ports/containerEngine.ts';
import { endProcesses, isAlive, waitUntil } from './processes.ts';
import { testImage } from './testImage.ts';
import { tempDir, type TempDir } from './tempDir.ts';

const startLimitMs = 60_000;

/** One engine with everything of it in a folder that is removed with it. */
export class TestEngine implements AsyncDisposable {
  readonly folder: string;
  readonly socketPath: string;
  private readonly dir: TempDir;
  private readonly args: readonly string[];
  private child: ChildProcess | undefined;

  private constructor(dir: TempDir, bridge: string) {
    this.dir = dir;
    this.folder = dir.path;
    this.socketPath = join(dir.path, 'docker.sock');
    this.args = [
      ...['--data-root', join(dir.path, 'data'), '--exec-root', join(dir.path, 'exec')],
      ...['--pidfile', join(dir.path, 'docker.pid'), '--host', `unix://${this.socketPath}`],
      // Networks are made by those who need one, from addresses that no other engine here takes.
      ...['--bridge', bridge, '--default-address-pool', `base=10.${randomInt(64, 250)}.0.0/16,size=24`],
      ...['--shutdown-timeout', '1', '--max-concurrent-downloads', '1'],
    ];
  }

  /** @param bridge the device of its default network: one that was made for it, or none. */
  static async start(bridge = 'none'): Promise<TestEngine> {
    install();
    const engine = new TestEngine(await tempDir('ow-docker'), bridge);
    try {
      await engine.begin();
      await engine.importTestImage();
    } catch (error) {
      await engine[Symbol.asyncDispose]();
      throw error;
    }
    return engine;
  }

  get address(): string {
    return `unix://${this.socketPath}`;
  }

  /** Starts the daemon and waits until it answers. */
  async begin(): Promise<void> {
    const log = openSync(join(this.folder, 'dockerd.log'), 'a');
    this.child = spawn('dockerd', this.args, { stdio: ['ignore', log, log] });
    await waitUntil('dockerd answers', () => this.answers(), { limitMs: startLimitMs });
  }

  /** As a crash, or as an orderly end. What ran in it goes on after a crash. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const { child } = this;
    this.child = undefined;
    if (child?.pid === undefined || child.exitCode !== null) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await exited;
    if (signal === 'SIGTERM') {
      await waitUntil('containerd has ended', () => !isAlive(this.containerdPid()));
      return;
    }
    // A crash takes its containerd along. The next daemon would wait for it in vain while it is dying, or is a zombie.
    await endProcesses([this.containerdPid()].filter((pid) => isAlive(pid)));
    rmSync(this.containerdPidFile, { force: true });
  }

  /** A client of ours, as the product makes it. */
  client(): ContainerEngine {
    return createDockerEngine({
      address: () => this.address,
      env: {},
      home: this.folder,
      logger: nullLogger,
    });
  }

  /** The `docker` command on this engine: what stands on its standard output. */
  docker(...args: string[]): string {
    return execFileSync('docker', ['--host', this.address, ...args], { encoding: 'utf8' }).trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child !== undefined) {
      spawnSync('sh', [
        '-c',
        `docker --host ${this.address} ps -q | xargs -r docker --host ${this.address} kill`,
      ]);
      for (const id of this.docker('network', 'ls', '--quiet', '--filter', 'type=custom').split('\n')) {
        if (id !== '')
          spawnSync('docker', ['--host', this.address, 'network', 'rm', id], { stdio: 'ignore' });
      }
    }
    await this.end('SIGTERM');
    await endProcesses([this.containerdPid()].filter((pid) => isAlive(pid)));
    spawnSync('sh', [
      '-c',
      `grep ' ${this.folder}/' /proc/mounts | cut -d' ' -f2 | sort -r | xargs -r umount -l`,
    ]);
    await this.dir[Symbol.asyncDispose]();
  }

  private answers(): Promise<boolean> {
    if (this.child?.exitCode !== null) {
      throw new Error(
        `dockerd ended: ${readFileSync(join(this.folder, 'dockerd.log'), 'utf8').slice(-2_000)}`,
      );
    }
    return new Promise((resolve) => {
      const call = request({ socketPath: this.socketPath, path: '/_ping' }, (response) => {
        response.resume();
        resolve(response.statusCode === 200);
      });
      call.on('error', () => resolve(false));
      call.end();
    });
  }

  private get containerdPidFile(): string {
    return join(this.folder, 'exec/containerd/containerd.pid');
  }

  private containerdPid(): number {
    const path = this.containerdPidFile;
    return existsSync(path) ? Number(readFileSync(path, 'utf8')) : 0;
  }

  /** A root with nothing in it but busybox: made in no time, and small. */
  private async importTestImage(): Promise<void> {
    const root = join(this.folder, 'root');
    for (const name of ['bin', 'tmp', 'etc', 'proc', 'sys', 'dev'])
      mkdirSync(join(root, name), { recursive: true });
    cpSync('/bin/busybox', join(root, 'bin/busybox'));
    const applets = execFileSync('/bin/busybox', ['--list'], { encoding: 'utf8' }).trim().split('\n');
    for (const applet of applets) {
      if (applet !== 'busybox') symlinkSync('busybox', join(root, 'bin', applet));
    }
    const client = this.client();
    try {
      await client.importImage({ path: root, tag: testImage });
    } finally {
      client.dispose();
      rmSync(root, { recursive: true, force: true });
    }
  }
}

/** dockerd and a static busybox, from Debian's packages where they are not there. */
function install(): void {
  const isThere = (program: string): boolean =>
    spawnSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' }).status === 0;
  const isStatic = existsSync('/bin/busybox') && spawnSync('/bin/busybox', ['true']).status === 0;
  if (isThere('dockerd') && isThere('docker') && isThere('iptables') && isStatic) return;
  const script =
    'apt-get update -qq && apt-get install -y -qq --no-install-recommends docker.io iptables busybox-static';
  execFileSync('sh', ['-c', script], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'ignore', 'inherit'],
    timeout: 300_000,
  });
}
