// A real image registry of the tests' own, on loopback, and a door to it that can be shut halfway.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { freePort } from '../../scripts/lib/serverProcess.mjs';
import { needPrograms } from './debianPackages.ts';
import { endProcesses, waitUntil } from './processes.ts';

import { type TempDir, tempDir } from './tempDir.ts';

export const registryLogin = { username: 'somebody', password: 'secret' } as const;

/** Debian's docker-registry with everything of it in a folder that is removed with it. */
export class TestRegistry implements AsyncDisposable {
  /** `127.0.0.1:port`: engines speak plain HTTP to what is on loopback. */
  readonly address: string;
  private readonly dir: TempDir;
  private readonly child: ChildProcess;

  private constructor(dir: TempDir, child: ChildProcess, address: string) {
    this.dir = dir;
    this.child = child;
    this.address = address;
  }

  /** @param asksLogin whether only `registryLogin` may pull and push. */
  static async start(asksLogin: boolean): Promise<TestRegistry> {
    needPrograms(['docker-registry', 'perl'], ['docker-registry', 'perl-base']);
    const dir = await tempDir('ow-registry');
    const address = `127.0.0.1:${await freePort(0)}`;
    const auth = asksLogin ? `auth: { htpasswd: { realm: tests, path: ${writePasswords(dir.path)} } }\n` : '';
    const config = join(dir.path, 'config.yml');
    writeFileSync(
      config,
      `version: 0.1\nlog: { level: error }\nstorage: { filesystem: { rootdirectory: ${dir.path}/data } }\n` +
        `http: { addr: '${address}' }\n${auth}`,
    );
    const child = spawn('docker-registry', ['serve', config], { stdio: 'ignore' });
    const registry = new TestRegistry(dir, child, address);
    await waitUntil('the registry answers', async () => (await fetch(`http://${address}/v2/`)).status > 0);
    return registry;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.pid !== undefined) await endProcesses([this.child.pid]);
    await this.dir[Symbol.asyncDispose]();
  }
}

/** bcrypt, which is all that the registry knows, by the system's own crypt(3). */
function writePasswords(folder: string): string {
  const path = join(folder, 'passwords');
  const script = 'print crypt($ARGV[0], q($2b$05$abcdefghijklmnopqrstuu))';
  const hash = execFileSync('perl', ['-e', script, registryLogin.password], { encoding: 'utf8' });
  writeFileSync(path, `${registryLogin.username}:${hash}\n`);
  return path;
}

/** Passes connections on, and of what comes back only the first so many bytes of each: what is beyond never arrives. */
export class StallingProxy implements AsyncDisposable {
  readonly address: string;
  private readonly server: Server;
  private readonly sockets: Set<Socket>;

  private constructor(server: Server, sockets: Set<Socket>, address: string) {
    this.server = server;
    this.sockets = sockets;
    this.address = address;
  }

  static async start(target: string, passedBytes: number): Promise<StallingProxy> {
    const [host = '', port = ''] = target.split(':');
    const sockets = new Set<Socket>();
    const server = createServer((client) => {
      const upstream = connect(Number(port), host);
      let passed = 0;
      upstream.on('data', (data) => {
        client.write(data.subarray(0, Math.max(0, passedBytes - passed)));
        passed += data.length;
        if (passed >= passedBytes) upstream.pause();
      });
      client.pipe(upstream);
      for (const [socket, other] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => {
          sockets.delete(socket);
          other.destroy();
        });
      }
    });
    const listening = await freePort(0);
    await new Promise<void>((resolve) => server.listen(listening, '127.0.0.1', resolve));
    return new StallingProxy(server, sockets, `127.0.0.1:${listening}`);
  }

  get connections(): number {
    return this.sockets.size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
