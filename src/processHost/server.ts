import { timingSafeEqual } from 'node:crypto';
import type { Socket } from 'node:net';
import { OrchestratorError } from '../base/errors.ts';
import type { ProcessHostStats } from '../core/ports/processHost.ts';
import {
  helloTimeoutMs,
  oldestProcessHostProtocol,
  type HelloResult,
  processHostProtocol,
} from '../protocol/processHost.ts';
import { Connection } from './connection.ts';
import type { FollowerChannel } from './follower.ts';
import { type HostParams, notificationShapes, shapes } from './requests.ts';
import type { Shape } from './shapes.ts';
import type { Screens } from './screens.ts';
import type { Terminal } from './terminal.ts';
import type { Terminals } from './terminals.ts';
import {
  type HostMethod,
  type HostNotifications,
  type HostRequests,
  maxMissedByHost,
  maxReadBytes,
} from './wire.ts';
import type { Workers } from './workers.ts';

export interface ServerDependencies {
  readonly terminals: Terminals;
  readonly workers: Workers;
  readonly screens: Screens;
  readonly hello: HelloResult;
  /** 64 hex characters. */
  readonly token: string;
  readonly startedAt: number;
  /** A connection or a child has gone: the host may be idle now. */
  onQuiet(): void;
  /** @returns whether the host ends; `others` counts the connections besides the asking one. */
  shutdownIfIdle(others: number): boolean;
  log(message: string, error?: unknown): void;
}

/** More than any number of windows and workers needs; a flood of connections ends here. */
const maxConnections = 1_000;

type Handlers = {
  [M in Exclude<HostMethod, 'hello'>]: (
    params: HostParams<M>,
  ) => HostRequests[M]['result'] | Promise<HostRequests[M]['result']>;
};

/** What a worker may ask for: its terminals and its own journal. */
const workerMethods: ReadonlySet<string> = new Set<HostMethod>([
  'spawnTerminal',
  'listTerminals',
  'writeTerminal',
  'resizeTerminal',
  'killTerminal',
  'removeTerminal',
  'snapshotTerminal',
  'readTerminal',
  'followTerminal',
  'emit',
]);

/** The host's door: who knocks, who may ask what, and whom it is answered by. */
export class Server {
  private readonly deps: ServerDependencies;
  private readonly peers = new Set<Peer>();

  constructor(deps: ServerDependencies) {
    this.deps = deps;
  }

  accept(socket: Socket): void {
    if (this.peers.size >= maxConnections) {
      socket.destroy();
      return;
    }
    const peer: Peer = new Peer(socket, this.deps, {
      otherClients: () => [...this.peers].filter((other) => other !== peer && other.role === 'client').length,
      stats: () => this.stats(),
      onClose: () => {
        this.peers.delete(peer);
        this.deps.onQuiet();
      },
    });
    this.peers.add(peer);
  }

  /** Connections that are, or may become, a client's. */
  get clientCount(): number {
    return [...this.peers].filter(({ role }) => role !== 'worker').length;
  }

  /** Tells every client. */
  broadcast<N extends keyof HostNotifications>(name: N, params: HostNotifications[N]): void {
    for (const peer of this.peers) {
      if (peer.role === 'client') peer.channel.notify(name, params);
    }
  }

  close(): void {
    for (const peer of this.peers) peer.close();
  }

  private stats(): ProcessHostStats {
    const { terminals, workers, hello, startedAt } = this.deps;
    return {
      ...hello,
      nodeVersion: process.versions.node,
      uvVersion: process.versions.uv,
      startedAt,
      rssBytes: process.memoryUsage.rss(),
      terminals: terminals.size,
      liveTerminals: terminals.liveCount,
      workers: workers.size,
      liveWorkers: workers.liveCount,
      clients: [...this.peers].filter(({ role }) => role === 'client').length,
    };
  }
}

interface PeerHost {
  otherClients(): number;
  stats(): ProcessHostStats;
  onClose(): void;
}

/** One connection. */
class Peer {
  role: 'client' | 'worker' | undefined;
  readonly channel: FollowerChannel;
  private readonly deps: ServerDependencies;
  private readonly host: PeerHost;
  private readonly connection: Connection;
  private readonly helloTimer: NodeJS.Timeout;
  private readonly handlers: Handlers;
  private readonly streams = new Map<number, Terminal>();
  private workerId: string | undefined;
  private areEventsFirst = false;

  constructor(socket: Socket, deps: ServerDependencies, host: PeerHost) {
    this.deps = deps;
    this.host = host;
    this.handlers = this.createHandlers();
    const connection = new Connection(
      socket,
      {
        onRequest: (method, params) => this.handle(method, params),
        onNotification: (name, params) => {
          this.notice(name, params);
        },
        onDrain: () => {
          this.pump();
        },
        onClose: () => {
          this.leave();
        },
      },
      { holdsBackReading: true, maxMissed: maxMissedByHost },
    );
    this.connection = connection;
    this.channel = {
      get isCongested() {
        return connection.isCongested;
      },
      sendOutput: (stream, offset, bytes) => {
        connection.sendOutput(stream, offset, bytes);
      },
      notify: (name, params) => {
        connection.notify(name, params);
      },
    };
    this.helloTimer = setTimeout(() => {
      connection.close(undefined);
    }, helloTimeoutMs);
  }

  close(): void {
    this.connection.close(undefined);
  }

  private handle(method: string, params: unknown): unknown {
    if (this.role === undefined) {
      try {
        if (method !== 'hello') throw unauthenticated();
        return this.hello(parse('hello', params));
      } catch (error) {
        // The answer goes out first; then nobody of that kind is listened to any more.
        setImmediate(() => {
          this.connection.end();
          setTimeout(() => {
            this.connection.close(undefined);
          }, 100);
        });
        throw error;
      }
    }
    if (method === 'hello' || !Object.hasOwn(this.handlers, method)) {
      throw new OrchestratorError(
        'UNIMPLEMENTED',
        'invalid_request',
        `The process host knows no request ${method}.`,
      );
    }
    if (this.role === 'worker' ? !workerMethods.has(method) : method === 'emit') {
      throw new OrchestratorError(
        'PERMISSION_DENIED',
        'invalid_request',
        `A ${this.role} may not ask for ${method}.`,
      );
    }
    const known = method as Exclude<HostMethod, 'hello'>;
    const handler = this.handlers[known] as (params: unknown) => unknown;
    return handler(parse(known, params));
  }

  private hello(params: HostParams<'hello'>): HelloResult {
    const { hello, workers, token } = this.deps;
    if (params.protocol < oldestProcessHostProtocol || params.oldestProtocol > processHostProtocol) {
      throw new OrchestratorError(
        'FAILED_PRECONDITION',
        'process_host_incompatible',
        `The process host of version ${hello.version} speaks protocol ${processHostProtocol}, the client of version ${params.version} protocol ${params.protocol}. Update the older one.`,
      );
    }
    const { role, workerId } = params;
    if (role === 'client') {
      if (!timingSafeEqual(Buffer.from(params.token), Buffer.from(token))) throw unauthenticated();
    } else if (workerId === undefined || !workers.connect(workerId, params.token, this.channel)) {
      throw unauthenticated();
    } else {
      this.workerId = workerId;
    }
    clearTimeout(this.helloTimer);
    this.role = role;
    this.connection.beat();
    return hello;
  }

  private createHandlers(): Handlers {
    const { terminals, workers, screens } = this.deps;
    return {
      // The foreground is still a copy of ours, which is about to become the program.
      spawnTerminal: (options) => terminals.spawn(options, this.workerId).ownStatus,
      listTerminals: () => terminals.list().map(({ status }) => status),
      writeTerminal: ({ id, text, base64 }) => {
        const data = text === undefined ? Buffer.from(base64 ?? '', 'base64') : Buffer.from(text, 'utf8');
        terminals.getLive(id).write(data);
        return null;
      },
      resizeTerminal: ({ id, cols, rows }) => {
        terminals.getLive(id).resize(cols, rows);
        return null;
      },
      killTerminal: async ({ id, graceMs }) => {
        await terminals.kill(id, graceMs);
        return null;
      },
      removeTerminal: ({ id }) => {
        terminals.remove(id);
        return null;
      },
      snapshotTerminal: ({ id, ...options }) => screens.snapshot(terminals.get(id), options),
      readTerminal: ({ id, from, to }) => {
        const terminal = terminals.get(id);
        terminal.flush();
        const { record } = terminal;
        const read = record.read(from, Math.min(Math.max(0, to - from), maxReadBytes));
        const data = read.data.subarray(0, Math.max(0, to - read.from));
        return { from: read.from, base64: data.toString('base64'), end: record.end };
      },
      followTerminal: ({ id, ...options }) => {
        const terminal = terminals.get(id);
        this.unfollow(options.stream);
        this.streams.set(options.stream, terminal);
        // After the answer, so that it comes before the first byte.
        setImmediate(() => {
          if (this.streams.get(options.stream) === terminal) terminal.follow(this.channel, options);
        });
        return null;
      },
      startWorker: (options) => workers.start(options),
      listWorkers: () => workers.list(),
      followWorker: ({ id, after }) => {
        workers.follow(id, after, this.channel);
        return null;
      },
      ackWorker: ({ id, sequence }) => {
        workers.ack(id, sequence);
        return null;
      },
      commandWorker: ({ id, command }) => {
        workers.command(id, command);
        return null;
      },
      killWorker: async ({ id, graceMs }) => {
        await workers.kill(id, graceMs);
        return null;
      },
      removeWorker: ({ id }) => {
        workers.remove(id);
        return null;
      },
      stats: () => this.host.stats(),
      shutdownIfIdle: () => ({ ends: this.deps.shutdownIfIdle(this.host.otherClients()) }),
      emit: ({ type, data }) => workers.emit(this.workerId ?? '', type, data),
    };
  }

  private notice(name: string, params: unknown): void {
    // Nobody waits for an answer that could tell what is wrong with one: a bad one ends the connection.
    if (this.role === undefined) {
      this.connection.close(undefined);
    } else if (name === 'ack') {
      const { stream, offset } = notificationShapes.ack(params, '');
      this.streams.get(stream)?.ack(this.channel, stream, offset);
    } else if (name === 'unfollow') {
      this.unfollow(notificationShapes.unfollow(params, '').stream);
    }
  }

  private unfollow(stream: number): void {
    this.streams.get(stream)?.unfollow(this.channel, stream);
    this.streams.delete(stream);
  }

  /** Whoever is served first may fill the connection: events and terminals take turns. */
  private pump(): void {
    this.areEventsFirst = !this.areEventsFirst;
    if (this.areEventsFirst) this.deps.workers.pumpChannel(this.channel);
    this.pumpTerminals();
    if (!this.areEventsFirst) this.deps.workers.pumpChannel(this.channel);
  }

  private pumpTerminals(): void {
    for (const terminal of new Set(this.streams.values())) terminal.pumpChannel(this.channel);
    // Who was served first is served last the next time.
    for (const [stream, terminal] of [...this.streams].slice(0, 1)) {
      this.streams.delete(stream);
      this.streams.set(stream, terminal);
    }
  }

  private leave(): void {
    clearTimeout(this.helloTimer);
    for (const terminal of new Set(this.streams.values())) terminal.unfollow(this.channel);
    this.streams.clear();
    this.deps.workers.unfollow(this.channel);
    if (this.workerId !== undefined) this.deps.workers.disconnect(this.workerId);
    this.host.onClose();
  }
}

function parse<M extends HostMethod>(method: M, params: unknown): HostParams<M> {
  return (shapes[method] as Shape<HostParams<M>>)(params, '');
}

function unauthenticated(): OrchestratorError {
  return new OrchestratorError(
    'UNAUTHENTICATED',
    'unauthenticated',
    'The process host does not know this token. Connect again with the token of its endpoint file.',
  );
}
