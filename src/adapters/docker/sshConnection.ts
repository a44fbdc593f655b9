import { spawn } from 'node:child_process';
import { Agent } from 'node:http';
import { Duplex } from 'node:stream';

/** Says that the way to the engine is at fault, with ssh's own words. */
export const sshErrorCode = 'ESSH';

/** An ssh server turns away whom it has not let in yet when they are more than ten (its MaxStartups). */
const startingLimit = 4;
const connectSeconds = 10;

/** What Node's HTTP client is given: the connection, or why there is none. */
type Opened = (error: Error | null, connection: Duplex) => void;

/**
 * Each connection is the standard input and output of `ssh … docker system dial-stdio`, as Docker's own client does
 * it: the person's ssh configuration, known hosts and agent apply, and no key is ever read by us. There may be any
 * number of them, since each container that is listened to holds one; only a few are opened at a time.
 */
export class SshAgent extends Agent {
  private readonly url: string;
  private readonly env: NodeJS.ProcessEnv;
  private readonly waiting: Opened[] = [];
  private starting = 0;

  constructor(url: string, env: NodeJS.ProcessEnv) {
    super({ keepAlive: true });
    this.url = url;
    this.env = env;
  }

  override createConnection(_options: unknown, opened: Opened = () => undefined): undefined {
    if (this.starting < startingLimit) this.open(opened);
    else this.waiting.push(opened);
  }

  override destroy(): void {
    for (const opened of this.waiting.splice(0)) opened(failure('the connection was closed'), new Duplex());
    super.destroy();
  }

  private open(opened: Opened): void {
    this.starting += 1;
    const connection = sshConnection(this.url, this.env, () => {
      this.starting -= 1;
      const next = this.waiting.shift();
      if (next !== undefined) this.open(next);
    });
    opened(null, connection);
  }
}

function failure(reason: string): Error {
  return Object.assign(new Error(reason), { code: sshErrorCode });
}

/** @param onStarted called once: it was let in, or it has failed. */
function sshConnection(url: string, env: NodeJS.ProcessEnv, onStarted: () => void): Duplex {
  const child = spawn('ssh', sshArguments(url), { stdio: ['pipe', 'pipe', 'pipe'], env });
  let words = '';
  let isStarted = false;
  const started = (): void => {
    if (!isStarted) onStarted();
    isStarted = true;
  };
  const fail = (reason: string): void => void connection.destroy(failure(reason));
  const connection = new Duplex({
    read: () => void child.stdout.resume(),
    // What could not be written is told by the end of ssh, which knows why.
    write: (chunk: Buffer, _encoding, done) => {
      child.stdin.write(chunk, (error) => {
        if (error === undefined || error === null) done();
      });
    },
    final: (done) => void child.stdin.end(done),
    destroy: (error, done) => {
      child.kill();
      done(error);
    },
  });
  child.stdin.on('error', () => undefined);
  child.stdout.on('data', (data: Buffer) => {
    started();
    if (!connection.push(data)) child.stdout.pause();
  });
  child.stderr.on('data', (data: Buffer) => (words = (words + data.toString()).slice(-2_000)));
  child.on('error', (error) => {
    started();
    fail('code' in error && error.code === 'ENOENT' ? 'ssh is not installed here' : error.message);
  });
  // Only now everything that it printed is here.
  child.on('close', (code) => {
    started();
    if (code === 0) connection.push(null);
    else fail(explainSsh(words.trim(), code));
  });
  return socketLike(connection);
}

function sshArguments(url: string): string[] {
  const { username, hostname, port, pathname } = new URL(url);
  const target = username === '' ? hostname : `${decodeURIComponent(username)}@${hostname}`;
  const path = decodeURIComponent(pathname);
  const options = {
    BatchMode: 'yes',
    ConnectTimeout: connectSeconds,
    ServerAliveInterval: 15,
    ServerAliveCountMax: 3,
  };
  return [
    ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
    '-T',
    ...(port === '' ? [] : ['-p', port]),
    '--',
    target,
    'docker',
    ...(path === '' || path === '/' ? [] : ['--host', quoted(`unix://${path}`)]),
    'system',
    'dial-stdio',
  ];
}

/** One word for the shell at the other end. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function explainSsh(words: string, code: number | null): string {
  const said = words === '' ? `ssh ended with ${code ?? 'a signal'}` : words;
  if (/permission denied/i.test(words)) return `${said} Load your key into the ssh agent (ssh-add)`;
  if (/host key verification failed/i.test(words)) {
    return `${said} Connect once by hand with ssh, and accept the key of the host if it is the right one`;
  }
  if (code === 127) return `${said} (the docker command is missing there, or not on the PATH of its shell)`;
  return said;
}

/** What Node's HTTP client calls on a connection besides those of a stream. */
function socketLike(stream: Duplex): Duplex {
  const self = (): Duplex => stream;
  return Object.assign(stream, {
    setKeepAlive: self,
    setNoDelay: self,
    setTimeout: self,
    ref: self,
    unref: self,
  });
}
