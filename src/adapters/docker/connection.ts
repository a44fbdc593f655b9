import { spawn } from 'node:child_process';
import { Agent } from 'node:http';
import { Agent as TlsAgent } from 'node:https';
import { Duplex } from 'node:stream';
import type { DockerOptions } from 'dockerode';
import { describeAddress, type EngineAddress, isTcp } from './engineAddress.ts';

/** dockerode passes the agent on, but its types do not know it. */
type ConnectionOptions = DockerOptions & { readonly agent: Agent };

/**
 * How dockerode is to reach an address. Everything is set, so that nothing is taken from the environment once more;
 * calls share one pool of connections, which lives as long as the engine does.
 */
export function dockerOptions(address: EngineAddress): { options: ConnectionOptions; agent: Agent } {
  const { url, tls } = address;
  if (url.startsWith('ssh:')) {
    const agent = new SshAgent(url);
    return { agent, options: { protocol: 'http', host: 'engine', port: 80, agent } };
  }
  if (!isTcp(url)) {
    const agent = new Agent({ keepAlive: true });
    return { agent, options: { protocol: 'http', socketPath: socketPathOf(url), host: '', agent } };
  }
  const { hostname, port } = new URL(url);
  const isSecure = tls !== undefined || url.startsWith('https:');
  const host = hostname.replace(/^\[|\]$/g, '');
  if (!isSecure) {
    const agent = new Agent({ keepAlive: true });
    return { agent, options: { protocol: 'http', host, port: Number(port) || 2375, agent } };
  }
  const agent = new TlsAgent({
    keepAlive: true,
    ca: tls?.ca,
    cert: tls?.cert,
    key: tls?.key,
    rejectUnauthorized: tls?.skipsVerification !== true,
  });
  return { agent, options: { protocol: 'https', host, port: Number(port) || 2376, agent } };
}

/** The socket or pipe of a local address. */
export function socketPathOf(url: string): string {
  return url.replace(/^(unix|npipe):\/\//, '');
}

/**
 * Each connection is the standard input and output of `ssh … docker system dial-stdio`, as Docker's own client does
 * it: the person's ssh configuration, known hosts and agent apply, and no key is ever read by us.
 */
class SshAgent extends Agent {
  private readonly url: string;

  constructor(url: string) {
    super({ keepAlive: true, maxSockets: 8 });
    this.url = url;
  }

  override createConnection(): Duplex {
    const { username, hostname, port } = new URL(this.url);
    const target = username === '' ? hostname : `${decodeURIComponent(username)}@${hostname}`;
    const args = [
      '-o',
      'BatchMode=yes',
      '-o',
      'ConnectTimeout=10',
      '-T',
      ...(port === '' ? [] : ['-p', port]),
      '--',
      target,
      'docker',
      'system',
      'dial-stdio',
    ];
    const child = spawn('ssh', args, { stdio: ['pipe', 'pipe', 'pipe'] });
    const connection = Duplex.from({ readable: child.stdout, writable: child.stdin });
    let words = '';
    child.stderr.on('data', (data: Buffer) => (words = (words + data.toString()).slice(-2_000)));
    child.on('error', (error) => connection.destroy(error));
    child.on('exit', (code) => {
      if (code === 0 || connection.destroyed) return;
      const reason = words.trim() === '' ? `ssh ended with ${code}` : words.trim();
      connection.destroy(
        Object.assign(new Error(`${describeAddress(this.url)}: ${reason}`), { code: 'ECONNREFUSED' }),
      );
    });
    connection.on('close', () => child.kill());
    return socketLike(connection);
  }
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
