// A real Docker engine of the tests' own, and an image to run in it. Needs root on Linux; what is missing is installed.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { createDockerEngine } from '../../src/adapters/docker/dockerEngine.ts';
import { nullLogger } from '../../src/base/logger.ts';
import type { ContainerEngine } from '../../src/core/ports/containerEngine.ts';
import { needPrograms } from './debianPackages.ts';
import { fileLock } from './fileLock.ts';
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

  private constructor(dir: TempDir, bridge: string, more: readonly string[]) {
    this.dir = dir;
    this.folder = dir.path;
    this.socketPath = join(dir.path, 'docker.sock');
    this.args = [
      ...['--data-root', join(dir.path, 'data'), '--exec-root', join(dir.path, 'exec')],
      ...['--pidfile', join(dir.path, 'docker.pid'), '--host', `unix://${this.socketPath}`],
      // Networks are made by those who need one, from addresses that no other engine here takes.
      ...['--bridge', bridge, '--default-address-pool', `base=10.${randomInt(64, 250)}.0.0/16,size=24`],
      ...['--shutdown-timeout', '1', '--max-concurrent-downloads', '1'],
      ...more,
    ];
  }

  /**
   * @param bridge the device of its default network: one that was made for it, or none.
   * @param more further arguments of dockerd
   */
  static async start(bridge = 'none', more: readonly string[] = []): Promise<TestEngine> {
    install();
    const engine = new TestEngine(await tempDir('ow-docker'), bridge, more);
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

  /** Starts the daemon and waits until it answers; one that gives up is started again, as a service manager would. */
  async begin(): Promise<void> {
    // Two that start at once take each other's firewall rules away.
    using _ = await fileLock('/tmp/ow-dockerd-start.lock');
    for (let attempt = 1; ; attempt += 1) {
      if (await this.tryToBegin()) return;
      // What is left of the last one, such as a containerd that is just ending, may have been in its way.
      if (attempt === 3) throw new Error(`dockerd ended ${attempt} times: ${this.lastWords()}`);
    }
  }

  private async tryToBegin(): Promise<boolean> {
    const log = openSync(join(this.folder, 'dockerd.log'), 'a');
    const child = spawn('dockerd', this.args, { stdio: ['ignore', log, log] });
    closeSync(log);
    this.child = child;
    const isOver = (): boolean => child.exitCode !== null || child.signalCode !== null;
    await waitUntil('dockerd answers', async () => isOver() || (await this.answers()), {
      limitMs: startLimitMs,
    });
    if (!isOver()) return true;
    this.child = undefined;
    return false;
  }

  /** As a crash, or as an orderly end. What ran in it goes on after a crash. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const { child } = this;
    this.child = undefined;
    if (child?.pid === undefined || child.exitCode !== null) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await exited;
    // The kernel ends its containerd with it, a little later, and the next daemon would wait in vain for one that is dying,
    // or for what nobody has collected of it: it takes that for alive, by its number.
    const containerd = this.containerdPid();
    if (signal === 'SIGKILL') await endProcesses([containerd].filter((pid) => isAlive(pid)));
    else await waitUntil('containerd has ended', () => !isAlive(containerd), { limitMs: startLimitMs });
    rmSync(this.containerdPidFile, { force: true });
  }

  /** A client of ours, as the product makes it; `home` is where the person's logins to registries would be. */
  client(home = this.folder, path = process.env['PATH']): ContainerEngine {
    return createDockerEngine({
      address: () => this.address,
      env: { PATH: path },
      home,
      logger: nullLogger,
    });
  }

  /** The `docker` command on this engine: what stands on its standard output. */
  docker(...args: string[]): string {
    return execFileSync('docker', ['--host', this.address, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      // Logins are kept there, and not with those of whoever runs the tests.
      env: { ...process.env, DOCKER_CONFIG: join(this.folder, 'docker-cli') },
    }).trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child?.exitCode === null && (await this.answers())) {
      spawnSync('sh', [
        '-c',
        `docker --host ${this.address} ps -q | xargs -r docker --host ${this.address} kill`,
      ]);
      spawnSync('sh', [
        '-c',
        `docker --host ${this.address} network ls -q --filter type=custom | xargs -r docker --host ${this.address} network rm`,
      ]);
    }
    await this.end('SIGTERM');
    await endProcesses([this.containerdPid()].filter((pid) => isAlive(pid)));
    spawnSync('sh', [
      '-c',
      `grep ' ${this.folder}/' /proc/mounts | cut -d' ' -f2 | sort -r | xargs -r umount -l`,
    ]);
    await this.dir[Symbol.asyncDispose]();
  }

  private lastWords(): string {
    return readFileSync(join(this.folder, 'dockerd.log'), 'utf8').slice(-2_000);
  }

  private answers(): Promise<boolean> {
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

/** dockerd and a static busybox. */
function install(): void {
  // Which of Debian's two is there cannot be told by its name.
  const isStatic = spawnSync('/bin/busybox', ['true']).status === 0;
  const programs = ['dockerd', 'docker', 'iptables'];
  needPrograms(isStatic ? programs : [...programs, 'busybox-static'], [
    'docker.io',
    'iptables',
    'busybox-static',
  ]);
}
