// A daemon that keeps to the protocol of src/protocol/daemon and does nothing real: sessions are rows, tasks print
// lines. What a client has to put up with (drops, silence, a lost log) can be ordered.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { decode, encode } from 'cborg';
import { type WebSocket, WebSocketServer } from 'ws';
import type { AnswerFrame, StreamFrame, StreamFrameBody } from '../../src/protocol/daemon/frames.ts';
import {
  cborProtocol,
  closeCode,
  jsonProtocol,
  tokenProtocolPrefix,
} from '../../src/protocol/daemon/handshake.ts';
import { authRequest, type DaemonRequest, daemonRequest } from '../../src/protocol/daemon/requests.ts';
import type { DaemonSession, DaemonStatus } from '../../src/protocol/daemon/shapes.ts';
import { ScriptedTerminals } from './scriptedTerminals.ts';

export type ScriptedRequest = DaemonRequest | { readonly type: 'auth'; readonly token: string };
/** What becomes of a request: `drop` cuts the connection instead, `dropAfter` once it was done but not answered. */
export type Fate = 'drop' | 'dropAfter' | 'ignore' | undefined;

interface Client {
  readonly socket: WebSocket;
  readonly isBinary: boolean;
  readonly sessions: Set<string>;
  /** In `log`. */
  cursor: number;
  isIn: boolean;
  isMuted: boolean;
}

interface Logged {
  /** Undefined for what everyone gets. */
  readonly sessionId: string | undefined;
  readonly frame: StreamFrame;
}

const at = '2026-01-01T00:00:00.000Z';

export class ScriptedDaemon implements AsyncDisposable {
  token = 'scripted-token';
  /** Takes nobody in. */
  isFull = false;
  /** Asked for each request before anything is done. */
  fate: (request: ScriptedRequest) => Fate = () => undefined;
  /** Between two lines that a task prints, in milliseconds. */
  lineEveryMs = 2;
  readonly requests: ScriptedRequest[] = [];
  readonly headers: (string | undefined)[] = [];
  readonly sessions = new Map<string, DaemonSession>();
  readonly terminals = new ScriptedTerminals();
  private readonly answers = new Map<string, AnswerFrame>();
  private readonly timers = new Set<NodeJS.Timeout>();
  private readonly clients = new Set<Client>();
  private log: Logged[] = [];
  private firstSeq = 0;
  private seq = 0;
  private server: Server | undefined;
  private port = 0;
  private nextSession = 1;
  private nextTask = 1;

  static async start(): Promise<ScriptedDaemon> {
    const daemon = new ScriptedDaemon();
    await daemon.listen();
    return daemon;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}`;
  }

  get connections(): number {
    return this.clients.size;
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.listen();
  }

  /** Its tasks go on, as those of the real one do. */
  async stop(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    this.dropAll();
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }

  dropAll(): void {
    for (const { socket } of this.clients) socket.terminate();
  }

  closeAll(code: number, reason: string): void {
    for (const { socket } of this.clients) socket.close(code, reason);
  }

  /** What was logged so far can no longer be resumed. */
  forget(): void {
    this.log = [];
    this.firstSeq = this.seq;
    for (const client of this.clients) client.cursor = 0;
  }

  /** The log begins anew, as after its state was removed. */
  loseState(): void {
    this.log = [];
    this.firstSeq = 0;
    this.seq = 0;
  }

  /** As if it had happened in the session, in one event. */
  say(sessionId: string | undefined, ...bodies: StreamFrameBody[]): void {
    this.seq += 1;
    bodies.forEach((body, part) => {
      const more = part + 1 < bodies.length ? { more: true as const } : {};
      this.log.push({ sessionId, frame: { ...body, seq: this.seq, part, ...more } });
    });
    for (const client of this.clients) this.pump(client);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    await this.stop();
  }

  private async listen(): Promise<void> {
    const server = createServer();
    const sockets = new WebSocketServer({
      server,
      handleProtocols: (offered) =>
        [cborProtocol, jsonProtocol].find((protocol) => offered.has(protocol)) ?? false,
    });
    sockets.on('connection', (socket, request) => {
      // It was on its way in when the daemon ended.
      if (this.server !== server) {
        socket.terminate();
        return;
      }
      const { authorization, 'sec-websocket-protocol': offered } = request.headers;
      this.headers.push(authorization);
      const byProtocol = offered?.split(/, ?/).find((name) => name.startsWith(tokenProtocolPrefix));
      this.welcome(
        socket,
        authorization?.slice('Bearer '.length) ?? byProtocol?.slice(tokenProtocolPrefix.length),
      );
    });
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve));
    this.port = (server.address() as AddressInfo).port;
    this.server = server;
  }

  private welcome(socket: WebSocket, token: string | undefined): void {
    const client: Client = {
      socket,
      isBinary: socket.protocol === cborProtocol,
      sessions: new Set(),
      cursor: 0,
      isIn: false,
      isMuted: false,
    };
    this.clients.add(client);
    socket.on('close', () => {
      this.clients.delete(client);
      this.terminals.forget(client);
    });
    socket.on('error', () => undefined);
    socket.on('message', (data: Buffer, isBinary) => {
      const message: unknown = isBinary
        ? decode(new Uint8Array(data))
        : (JSON.parse(data.toString()) as unknown);
      this.receive(client, message);
    });
    // Strangers are greeted, and are not told how far the log is.
    const greeting = { type: 'health_check_response', healthy: true };
    this.send(client, { ...greeting, seq: token === this.token ? this.seq : 0 });
    if (token !== undefined) this.admit(client, token, false);
  }

  private admit(client: Client, token: string, isAsked: boolean): void {
    if (this.isFull) {
      this.send(client, { type: 'error', error: 'connection_limit_exceeded', seq: 0 });
      client.socket.close(closeCode.rateLimited, 'Too many connections');
      return;
    }
    if (token !== this.token) {
      this.send(client, { type: 'error', error: 'api_key_invalid', seq: 0 });
      client.socket.close(closeCode.unauthorized, 'Authentication failed');
      return;
    }
    client.isIn = true;
    client.cursor = this.log.length;
    if (isAsked) this.answer(client, { type: 'auth_success', scopes: ['read', 'drive', 'admin'] });
  }

  private receive(client: Client, message: unknown): void {
    if (!client.isIn) {
      const { success, data } = authRequest.safeParse(message);
      if (!success) {
        this.send(client, { type: 'error', error: 'not_authenticated', seq: 0 });
        client.socket.close(closeCode.unauthorized, 'Send auth first');
        return;
      }
      const { token } = data;
      this.requests.push({ type: 'auth', token });
      this.admit(client, token, true);
      return;
    }
    const request = daemonRequest.parse(message);
    this.requests.push(request);
    const fate = this.fate(request);
    if (fate === 'ignore') return;
    if (fate === 'drop') {
      client.socket.terminate();
      return;
    }
    client.isMuted = fate === 'dropAfter';
    const known = request.requestId === undefined ? undefined : this.answers.get(request.requestId);
    if (known !== undefined) {
      if (known.type === 'session_spawned') client.sessions.add(known.session.id);
      this.answer(client, known);
    } else this.handle(client, request);
    if (fate === 'dropAfter') client.socket.terminate();
  }

  private handle(client: Client, request: DaemonRequest): void {
    const { requestId } = request;
    const answer = (frame: AnswerFrame): void => {
      const whole = requestId === undefined ? frame : { ...frame, requestId };
      if (requestId !== undefined && (request.type === 'spawn_session' || request.type === 'execute_task')) {
        this.answers.set(requestId, whole);
      }
      this.answer(client, whole);
    };
    const withSession = (id: string, then: (session: DaemonSession) => void): void => {
      const session = this.sessions.get(id);
      if (session === undefined) answer({ type: 'error', error: `Session not found: ${id}` });
      else then(session);
    };
    switch (request.type) {
      case 'ping':
        return answer({ type: 'pong' });
      case 'health_check':
        return answer({ type: 'health_check_response', healthy: true });
      case 'daemon_status':
        return answer({ type: 'daemon_status_update', status: this.status() });
      case 'list_sessions': {
        const { limit = 100, cursor = '0' } = request.payload ?? {};
        const all = [...this.sessions.values()];
        const end = Number(cursor) + limit;
        const page = all.slice(Number(cursor), end);
        const more = end < all.length ? { nextCursor: String(end) } : {};
        return answer({ type: 'sessions_list', sessions: page, total: all.length, ...more });
      }
      case 'session_status':
        return withSession(request.payload.sessionId, (session) =>
          answer({ type: 'session_status_update', session }),
        );
      case 'spawn_session': {
        const id = `session_${this.nextSession++}`;
        const { task, orchestratorId = 'default', sessionType = 'claude-code' } = request.payload;
        const text = typeof task === 'string' ? task : task.description;
        this.sessions.set(id, newSession(id, orchestratorId, sessionType, text));
        client.sessions.add(id);
        answer({ type: 'session_spawned', session: this.sessions.get(id)! });
        return this.runTask(id, text);
      }
      case 'execute_task':
        return withSession(request.payload.sessionId, ({ id }) => {
          client.sessions.add(id);
          const taskId = `task_${this.nextTask}`;
          answer({ type: 'task_executing', sessionId: id, taskId });
          this.runTask(id, request.payload.task);
        });
      case 'stop_session':
        return withSession(request.payload.sessionId, (session) => {
          const stopped = { ...session, status: 'terminated' as const };
          this.sessions.set(session.id, stopped);
          this.say(undefined, { type: 'session_status_update', session: stopped });
          answer({ type: 'session_status_update', session: stopped });
        });
      case 'subscribe': {
        const { sessionIds = [], topics = [] } = request.payload;
        for (const id of sessionIds) client.sessions.add(id);
        return answer({ type: 'subscribed', sessionIds, topics });
      }
      case 'unsubscribe': {
        const { sessionIds = [], topics = [] } = request.payload;
        for (const id of sessionIds) client.sessions.delete(id);
        return answer({ type: 'unsubscribed', sessionIds, topics });
      }
      case 'resume': {
        const { after, part = Number.MAX_SAFE_INTEGER, sessionIds = [] } = request.payload;
        if (after > this.seq) {
          return answer({ type: 'error', error: 'The log ends before that.', reason: 'invalid_request' });
        }
        if (after < this.firstSeq) {
          return answer({ type: 'error', error: 'Those events are gone.', reason: 'events_missed' });
        }
        for (const id of sessionIds) client.sessions.add(id);
        const next = this.log.findIndex(
          ({ frame }) => frame.seq > after || (frame.seq === after && frame.part > part),
        );
        client.cursor = next < 0 ? this.log.length : next;
        answer({ type: 'resumed', after, part });
        return this.pump(client);
      }
      case 'list_runs':
      case 'run_status':
      case 'abort_run':
      case 'retry_run':
        return answer({ type: 'error', error: 'It has no runs.', reason: 'run_not_found' });
      default: {
        const frame = this.terminals.handle(request, client, (output) => this.answer(client, output));
        return frame === undefined ? undefined : answer(frame);
      }
    }
  }

  /** `seq 1 N` in it prints that many lines, `fail` fails, `wait` waits for ever; anything else is printed. */
  private runTask(sessionId: string, text: string): void {
    const taskId = `task_${this.nextTask++}`;
    const count = Number(/seq 1 (\d+)/.exec(text)?.[1] ?? 0);
    let index = 0;
    const chunk = (part: string): StreamFrameBody => ({
      type: 'stream_chunk',
      data: { sessionId, chunk: part, metadata: { type: 'text', index: index++, taskId } },
    });
    this.say(sessionId, { type: 'stream_start', sessionId, metadata: { taskId } });
    if (text === 'wait') return;
    const end = (): void => {
      this.say(sessionId, { type: 'stream_end', sessionId, metadata: { taskId } });
      if (text === 'fail')
        this.say(sessionId, { type: 'task_failed', sessionId, taskId, error: 'It failed.' });
      else this.say(sessionId, { type: 'task_completed', sessionId, taskId, result: { exitCode: 0 } });
    };
    if (count === 0) {
      this.say(sessionId, chunk(text));
      end();
      return;
    }
    let line = 0;
    const timer = setInterval(() => {
      line += 1;
      const whole = `line ${line}\n`;
      // Some events make several frames, as those of the real log do.
      const parts = Array.from({ length: (line % 3) + 1 }, (_, part) => whole.slice(part * 3, part * 3 + 3));
      parts[parts.length - 1] = whole.slice((parts.length - 1) * 3);
      this.say(sessionId, ...parts.map(chunk));
      if (line < count) return;
      clearInterval(timer);
      this.timers.delete(timer);
      end();
    }, this.lineEveryMs);
    this.timers.add(timer);
  }

  private pump(client: Client): void {
    if (!client.isIn) return;
    for (; client.cursor < this.log.length; client.cursor++) {
      const { sessionId, frame } = this.log[client.cursor]!;
      const isWanted = sessionId === undefined || client.sessions.has(sessionId) || client.sessions.has('*');
      if (isWanted) this.send(client, frame);
    }
  }

  private answer(client: Client, frame: AnswerFrame): void {
    this.send(client, { ...frame, seq: this.seq });
  }

  private send({ socket, isBinary, isMuted }: Client, frame: object): void {
    if (!isMuted) socket.send(isBinary ? encode(frame) : JSON.stringify(frame));
  }

  private status(): DaemonStatus {
    const active = [...this.sessions.values()].filter(({ status }) => status === 'running').length;
    return {
      status: 'running',
      uptime: 1_000,
      activeSessions: active,
      queuedTasks: 0,
      metrics: {
        totalSessionsSpawned: this.sessions.size,
        totalTasksProcessed: 0,
        totalTokensUsed: 0,
        averageSessionDuration: 0,
        activeSessions: active,
        successRate: 1,
      },
      subsystems: { sessionManager: { status: 'running', lastCheck: at } },
    };
  }
}

function newSession(
  id: string,
  orchestratorId: string,
  type: DaemonSession['type'],
  description: string,
): DaemonSession {
  return {
    id,
    orchestratorId,
    type,
    status: 'running',
    startedAt: at,
    task: {
      id: 'task_1',
      type: 'general',
      description,
      priority: 'medium',
      status: 'in_progress',
      createdAt: at,
      updatedAt: at,
    },
    memoryContext: { scratchpad: {}, episodic: [], semantic: [] },
    metrics: {
      tokensUsed: 0,
      duration: 0,
      tasksCompleted: 0,
      errorsEncountered: 0,
      averageResponseTime: 0,
    },
  };
}
