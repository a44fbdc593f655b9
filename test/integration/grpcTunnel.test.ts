// gRPC through a WebSocket: a real core, its gRPC door without a socket, a WebSocket server, and the clients that dial.
import { readdirSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import type { Duplex } from 'node:stream';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createWebSocketStream, WebSocketServer } from 'ws';
import { nullLogger } from '../../src/base/logger.ts';
import { GrpcClient } from '../../src/clients/grpc/grpcClient.ts';
import { RemoteOrchestrator } from '../../src/clients/orchestrator/remoteOrchestrator.ts';
import type { Orchestrator } from '../../src/core/orchestrator.ts';
import { grpcProtocol, type Scope } from '../../src/protocol/daemon/handshake.ts';
import { HealthDefinition } from '../../src/protocol/gen/grpc/health/v1/health.ts';
import type { Caller } from '../../src/servers/access/caller.ts';
import { grpcTunnel } from '../../src/servers/daemon/grpcTunnel.ts';
import { openGrpcDoor } from '../../src/servers/grpc/door.ts';
import type { GrpcServer } from '../../src/servers/grpc/grpcServer.ts';
import { waitUntil } from '../harness/processes.ts';
import { buildHost, HostFixture } from './processHostHarness.ts';
import { type RealCore, startRealCore } from './realCore.ts';

const token = 'the-right-token';

/** What the daemon does for `orchestrator.grpc.v1`, and no more. */
class Door {
  readonly streams = new Set<Duplex>();
  handshakes = 0;
  caller: Caller = { name: 'token', scopes: new Set<Scope>(['read', 'drive', 'admin']) };
  private readonly server: Server = createServer((_, response) => response.writeHead(404).end());
  private readonly sockets = new WebSocketServer({ noServer: true, handleProtocols: () => grpcProtocol });

  constructor(grpc: GrpcServer) {
    const accept = grpcTunnel({ server: grpc, now: Date.now });
    this.server.on('upgrade', (request, socket, head) => {
      this.handshakes += 1;
      if (request.headers.authorization !== `Bearer ${token}`) {
        socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n');
        return;
      }
      this.sockets.handleUpgrade(request, socket, head, (webSocket) => {
        const stream = createWebSocketStream(webSocket);
        this.streams.add(stream);
        stream.once('close', () => this.streams.delete(stream));
        stream.on('error', () => undefined);
        try {
          accept(stream, this.caller);
        } catch {
          // Its stream is closed.
        }
      });
    });
  }

  async listen(port = 0): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(port, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  cut(): void {
    for (const stream of this.streams) stream.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }
}

const tunnelFolders = (): number =>
  readdirSync(tmpdir()).filter((name) => name.startsWith('ow-tunnel-')).length;

let dist: string;
let fixture: HostFixture;
let real: RealCore;
let core: Orchestrator;
let grpc: GrpcServer;
let door: Door;
let url: string;
let foldersBefore: number;
const remotes: RemoteOrchestrator[] = [];
const clients: GrpcClient[] = [];

beforeAll(async () => {
  dist = await buildHost();
});
afterAll(() => rmSync(dist, { recursive: true, force: true }));

beforeEach(async () => {
  foldersBefore = tunnelFolders();
  fixture = new HostFixture(dist);
  real = await startRealCore(fixture);
  ({ core } = real);
  grpc = await openGrpcDoor({ orchestrator: core, version: '1.2.3', logger: nullLogger });
  door = new Door(grpc);
  url = await door.listen();
});
afterEach(async () => {
  for (const remote of remotes.splice(0)) remote.dispose();
  for (const client of clients.splice(0)) client.close();
  await waitUntil('no connection is left', () => door.streams.size === 0);
  await waitUntil('no folder is left', () => tunnelFolders() <= foldersBefore);
  await door.close();
  await grpc.stop();
  await real[Symbol.asyncDispose]();
  await fixture.dispose();
});

function connect(given = token): RemoteOrchestrator {
  const remote = new RemoteOrchestrator({
    address: url,
    config: { token: given },
    reconnectIntervalMs: 200,
    logger: nullLogger,
  });
  remotes.push(remote);
  return remote;
}

async function connected(): Promise<RemoteOrchestrator> {
  const remote = connect();
  await waitUntil('it is connected', () => remote.connection === 'connected');
  return remote;
}

describe('gRPC through a WebSocket', () => {
  it('mirrors sessions, and starts and kills a terminal there', async () => {
    const session = await core.sessions.create({ name: 'afar', cwd: real.home });
    const remote = await connected();
    expect(remote.sessions.find(session.id)).toMatchObject({ name: 'afar' });
    const terminal = await remote.terminals.spawn({ sessionId: session.id, shell: '/bin/sh' });
    expect(core.terminals.get(terminal.id).state).toBe('running');
    await remote.terminals.kill(terminal.id);
    await waitUntil('its end shows', () => remote.terminals.find(terminal.id)?.state === 'exited');
  });

  it('follows 10 MB of a terminal, byte for byte', async () => {
    const session = await core.sessions.create({ cwd: real.home });
    const terminal = await core.terminals.spawn({
      sessionId: session.id,
      shell: '/bin/sh',
      args: ['-c', 'stty -opost; exec seq 1000000 2428571'],
    });
    const remote = await connected();
    await waitUntil('the terminal shows', () => remote.terminals.find(terminal.id));
    const parts: Buffer[] = [];
    const ended = Promise.withResolvers<void>();
    const follower = await remote.terminals.follow(
      terminal.id,
      { from: 0, isForeground: true },
      {
        onData: (data, offset) => {
          parts.push(Buffer.from(data));
          follower.ack(offset + data.length);
        },
        onEnd: () => ended.resolve(),
      },
    );
    await ended.promise;
    const text = Buffer.concat(parts).toString();
    const wanted = Array.from({ length: 1_428_572 }, (_, index) => `${1_000_000 + index}\n`).join('');
    expect(text.length).toBeGreaterThan(10_000_000);
    expect(text === wanted).toBe(true);
  });

  it('connects again after a cut, and goes on', async () => {
    const remote = await connected();
    door.cut();
    await waitUntil('it has noticed', () => remote.connection === 'disconnected');
    await waitUntil('it is back', () => remote.connection === 'connected');
    const session = await core.sessions.create({ name: 'later', cwd: real.home });
    await waitUntil('the new session shows', () => remote.sessions.find(session.id));
  });

  it('outlives a restart of the daemon', async () => {
    const remote = await connected();
    const port = Number(new URL(url).port);
    await door.close();
    await waitUntil('it has noticed', () => remote.connection === 'disconnected');
    await waitUntil('it says why', () => /Nobody answers at/.test(remote.lastError?.message ?? ''));
    door = new Door(grpc);
    await door.listen(port);
    await waitUntil('it is back', () => remote.connection === 'connected', { limitMs: 20_000 });
  });

  it('says at once that the token is wrong, and does not try it over and over', async () => {
    const remote = connect('a-wrong-one');
    await waitUntil('it says why', () => remote.lastError, { limitMs: 2_000 });
    expect(remote.lastError).toMatchObject({ code: 'UNAUTHENTICATED', reason: 'unauthenticated' });
    expect(remote.lastError?.message).toMatch(/does not know this token.*http-token/);
    await waitUntil('it has tried again', () => remote.connection === 'disconnected');
    const client = new GrpcClient(url, {
      token: 'a-wrong-one',
      dialTimeoutMs: 1_500,
      reconnectIntervalMs: 50,
    });
    clients.push(client);
    await expect(client.dial()).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    await expect(client.dial()).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(door.handshakes).toBeLessThanOrEqual(2);
  });

  it('takes nobody without the scope admin, and ends with a token that ends', async () => {
    door.caller = { name: 'ci', scopes: new Set<Scope>(['read', 'drive']) };
    const client = new GrpcClient(url, { token, dialTimeoutMs: 1_000 });
    clients.push(client);
    await expect(client.dial()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    door.caller = { name: 'jwt', scopes: new Set<Scope>(['admin']), expiresAt: Date.now() + 1_500 };
    await client.dial();
    expect(await client.service(HealthDefinition).check({ service: '' })).toMatchObject({ status: 1 });
    await waitUntil('it is ended', () => door.streams.size === 0);
  });

  it('names what is not a daemon', async () => {
    const plain = createServer((_, response) => response.writeHead(404).end());
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
    const client = new GrpcClient(`http://127.0.0.1:${(plain.address() as AddressInfo).port}`, { token });
    clients.push(client);
    // A server without upgrades answers as if none were asked for.
    await expect(client.dial()).rejects.toThrow(/no daemon that this version can connect to/);
    plain.close();
    expect(() => new GrpcClient('http://')).not.toThrow();
    await expect(new GrpcClient('http://').dial()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
