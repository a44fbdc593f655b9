import { Agent } from 'node:http';
import { Agent as TlsAgent } from 'node:https';
import type { DockerOptions } from 'dockerode';
import { type EngineAddress, isTcp } from './engineAddress.ts';
import { SshAgent } from './sshConnection.ts';

/** dockerode passes the agent on, but its types do not know it. */
type ConnectionOptions = DockerOptions & { readonly agent: Agent };

/**
 * How dockerode is to reach an address. Everything is set, so that nothing is taken from the environment once more;
 * calls share one pool of connections, which lives as long as the engine does.
 */
export function dockerOptions(
  address: EngineAddress,
  env: NodeJS.ProcessEnv,
): { options: ConnectionOptions; agent: Agent } {
  const { url, tls } = address;
  if (url.startsWith('ssh:')) {
    const agent = new SshAgent(url, env);
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
