// A real ssh server of the tests' own on loopback, and an ssh command that knows nothing but it.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort } from '../../scripts/lib/serverProcess.mjs';
import { needPrograms } from './debianPackages.ts';
import { descendants, endProcesses, waitUntil } from './processes.ts';
import { type TempDir, tempDir } from './tempDir.ts';

export class TestSshServer implements AsyncDisposable {
  readonly port: number;
  /** To be first on the PATH of who is to reach it. */
  readonly binFolder: string;
  private readonly dir: TempDir;
  private readonly child: ChildProcess;

  private constructor(dir: TempDir, child: ChildProcess, port: number) {
    this.dir = dir;
    this.child = child;
    this.port = port;
    this.binFolder = join(dir.path, 'bin');
  }

  /** @param env of the commands that are run there */
  static async start(env: Readonly<Record<string, string>>): Promise<TestSshServer> {
    needPrograms(['/usr/sbin/sshd', 'ssh', 'ssh-keygen'], ['openssh-server', 'openssh-client']);
    const dir = await tempDir('ow-ssh');
    const port = await freePort(0);
    const at = (name: string): string => join(dir.path, name);
    for (const name of ['host', 'user']) {
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at(name)]);
    }
    writeFileSync(at('known_hosts'), `[127.0.0.1]:${port} ${readFileSync(at('host.pub'), 'utf8')}`);
    const server = {
      ListenAddress: '127.0.0.1',
      Port: port,
      HostKey: at('host'),
      AuthorizedKeysFile: at('user.pub'),
      PidFile: 'none',
      PermitRootLogin: 'prohibit-password',
      StrictModes: 'no',
      UsePAM: 'no',
      // In a shell within a shell, bash leaves out what the person's own start-up files do, which may take its time.
      SetEnv: Object.entries({ ...env, SHLVL: 2 })
        .map(([name, value]) => `${name}=${value}`)
        .join(' '),
    };
    const client = {
      IdentityFile: at('user'),
      IdentitiesOnly: 'yes',
      UserKnownHostsFile: at('known_hosts'),
      GlobalKnownHostsFile: 'none',
      StrictHostKeyChecking: 'yes',
    };
    writeFileSync(at('server'), lines(server));
    writeFileSync(at('client'), lines(client));
    mkdirSync(at('bin'));
    writeFileSync(at('bin/ssh'), `#!/bin/sh\nexec /usr/bin/ssh -F '${at('client')}' "$@"\n`);
    chmodSync(at('bin/ssh'), 0o755);
    mkdirSync('/run/sshd', { recursive: true });
    const child = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', at('server')], { stdio: 'ignore' });
    const ssh = new TestSshServer(dir, child, port);
    await waitUntil('sshd listens', () => listens(port));
    return ssh;
  }

  /** Runs it while the client has no key that the server knows, or does not know the server's. */
  async without<T>(file: 'user' | 'known_hosts', action: () => Promise<T>): Promise<T> {
    const path = join(this.dir.path, file);
    renameSync(path, `${path}-kept`);
    try {
      return await action();
    } finally {
      rmSync(path, { force: true });
      renameSync(`${path}-kept`, path);
    }
  }

  /** As where the network breaks: every connection that there is. */
  breakConnections(): void {
    for (const { pid } of descendants(this.child.pid ?? 0)) process.kill(pid, 'SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { pid } = this.child;
    if (pid !== undefined) await endProcesses([...descendants(pid).map((each) => each.pid), pid]);
    await this.dir[Symbol.asyncDispose]();
  }
}

function lines(options: Readonly<Record<string, string | number>>): string {
  return Object.entries(options)
    .map(([name, value]) => `${name} ${value}\n`)
    .join('');
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => resolve(true));
    socket.on('error', () => resolve(false));
    socket.on('close', () => socket.destroy());
    socket.on('data', () => socket.destroy());
  });
}
