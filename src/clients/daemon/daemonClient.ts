import { OrchestratorError } from '../../base/errors.ts';
import { systemIds } from '../../base/ids.ts';
import type { ExecutePayload, SpawnPayload } from '../../protocol/daemon/requests.ts';
import type { DaemonSession, DaemonSessionStatus, DaemonStatus } from '../../protocol/daemon/shapes.ts';
import { type DaemonEventName, type DaemonListener, EventHub } from './clientEvents.ts';
import type { Connection } from './connection.ts';
import { type ConnectionState, Connector } from './connector.ts';
import { notConnected, refusalError } from './errors.ts';
import { type AnswerOf, type DaemonFrame, isStreamFrame } from './frameCodec.ts';
import { type ClientSettings, type DaemonClientOptions, defaultUrl, settingsOf } from './options.ts';
import type { AnswerType, PayloadOf, RequestFunction, RequestType } from './requestFunction.ts';
import { RequestLedger } from './requestLedger.ts';
import { RunCalls } from './runCalls.ts';
import { type Place, StreamPlace } from './streamPlace.ts';
import { type SubscriptionRequest, Subscriptions } from './subscriptions.ts';
import { TerminalCalls } from './terminalCalls.ts';

export type SpawnSessionPayload = SpawnPayload;
export type ExecuteTaskOptions = Omit<ExecutePayload, 'sessionId' | 'task'>;

export interface ExecutedTask {
  readonly sessionId: string;
  /** What `task_completed` and `task_failed` will name. */
  readonly taskId: string;
  /** From 1, where it waits for its turn. */
  readonly queuePosition?: number | undefined;
}

export interface ListSessionsOptions {
  /** 1 to 1,000. */
  readonly limit?: number | undefined;
  /** `nextCursor` of the page before. */
  readonly cursor?: string | undefined;
  readonly status?: DaemonSessionStatus | undefined;
  readonly orchestratorId?: string | undefined;
}

export interface SessionsPage {
  readonly sessions: readonly DaemonSession[];
  readonly total: number;
  readonly nextCursor?: string | undefined;
}

/**
 * A daemon over its WebSocket: seed 002. One connection, kept up by itself; after a drop it takes up the stream where
 * it broke off, so that listeners hear every frame once and in order.
 *
 * Every request fails with a `DaemonError` (`code`, `reason`, `message`): what the daemon answered, `request_timeout`,
 * `queue_full`, or `closed` where there is no connection and none is on its way, and where a connection was lost that
 * the request had gone out on and it may not be sent twice.
 */
export class DaemonClient {
  readonly url: string;
  /** Runs of sessions: list, status, abort, retry. */
  readonly runs: RunCalls;
  /** Terminals: list, spawn, type, resize, kill, attach. */
  readonly terminals: TerminalCalls;
  private readonly settings: ClientSettings;
  private readonly events = new EventHub();
  private readonly ledger: RequestLedger;
  private readonly place = new StreamPlace();
  private readonly subscriptions = new Subscriptions();
  private readonly connector: Connector;
  /** Executed without `streamResponse`: a resumed stream is not told of that and holds all of the session. */
  private readonly silentTasks = new Set<string>();
  private readonly idPrefix = systemIds.hexId();
  private nextId = 0;

  constructor(options: DaemonClientOptions = {}) {
    this.settings = settingsOf(options);
    this.url = this.settings.url;
    this.ledger = new RequestLedger(this.settings);
    this.connector = new Connector(this.settings, this.events, {
      onFrame: (frame) => this.handle(frame),
      prepare: (connection) => this.prepare(connection),
      onConnected: (connection) => this.ledger.sendWaiting(connection.send),
      onLost: () => {
        this.place.interrupt();
        this.ledger.connectionLost();
      },
      onGivenUp: (error) => this.ledger.rejectAll(error),
    });
    const request: RequestFunction = (type, answer, payload) => this.request(type, answer, payload);
    this.runs = new RunCalls(request);
    this.terminals = new TerminalCalls(request, (message) => this.connector.connection?.send(message), {
      on: (event, listener) => this.on(event, listener),
    });
  }

  get state(): ConnectionState {
    return this.connector.state;
  }

  get isConnected(): boolean {
    return this.connector.state === 'connected';
  }

  /**
   * Resolves once the connection is open and the token was taken. When it rejects with "WebSocket connection failed",
   * further attempts follow as after a drop, unless the option `reconnect` is false; `unauthenticated` is final.
   */
  connect(): Promise<void> {
    return this.connector.connect();
  }

  /** Ends the connection, or the attempts to get one; requests that have no answer yet fail. */
  disconnect(): void {
    this.connector.disconnect();
  }

  /** @returns a function that takes the listener off again. */
  on<E extends DaemonEventName>(event: E, listener: DaemonListener<E>): () => void {
    return this.events.on(event, listener);
  }

  once<E extends DaemonEventName>(event: E, listener: DaemonListener<E>): () => void {
    return this.events.once(event, listener);
  }

  off<E extends DaemonEventName>(event: E, listener: DaemonListener<E>): void {
    this.events.off(event, listener);
  }

  /** Makes a session and starts its task, whose stream follows. */
  async spawnSession(payload: SpawnSessionPayload): Promise<DaemonSession> {
    return (await this.request('spawn_session', 'session_spawned', payload)).session;
  }

  /** Resolves as soon as the task was taken; how it goes on is told by events. */
  async executeTask(
    sessionId: string,
    task: string,
    options: ExecuteTaskOptions = {},
  ): Promise<ExecutedTask> {
    this.subscriptions.add({ sessionIds: [sessionId] });
    const answer = await this.request('execute_task', 'task_executing', { ...options, sessionId, task });
    if (options.streamResponse === false) this.silentTasks.add(answer.taskId);
    return { sessionId: answer.sessionId, taskId: answer.taskId, queuePosition: answer.queuePosition };
  }

  /** Stops its task and ends the session. */
  async stopSession(sessionId: string): Promise<DaemonSession> {
    return (await this.request('stop_session', 'session_status_update', { sessionId })).session;
  }

  async getSessionStatus(sessionId: string): Promise<DaemonSession> {
    return (await this.request('session_status', 'session_status_update', { sessionId })).session;
  }

  /** One page. */
  async listSessions(options: ListSessionsOptions = {}): Promise<SessionsPage> {
    const { sessions, total, nextCursor } = await this.request('list_sessions', 'sessions_list', {
      ...options,
    });
    return { sessions, total, nextCursor };
  }

  /** All pages, one session after the other. */
  async *allSessions(options: ListSessionsOptions = {}): AsyncGenerator<DaemonSession, void, undefined> {
    let { cursor } = options;
    do {
      const page = await this.listSessions({ ...options, cursor });
      yield* page.sessions;
      cursor = page.nextCursor;
    } while (cursor !== undefined);
  }

  async getDaemonStatus(): Promise<DaemonStatus> {
    return (await this.request('daemon_status', 'daemon_status_update')).status;
  }

  /** @returns how long the answer took, in milliseconds. */
  async ping(): Promise<number> {
    const { clock } = this.settings;
    const began = clock.now();
    await this.request('ping', 'pong');
    return clock.now() - began;
  }

  async healthCheck(): Promise<boolean> {
    return (await this.request('health_check', 'health_check_response')).healthy;
  }

  /** Asks for streams of sessions and for topics, on this connection and on those that follow it. */
  async subscribe(wanted: SubscriptionRequest): Promise<void> {
    this.subscriptions.add(wanted);
    try {
      await this.request('subscribe', 'subscribed', mutable(wanted));
    } catch (error) {
      if (!OrchestratorError.is(error, 'closed')) this.subscriptions.remove(wanted);
      throw error;
    }
  }

  async unsubscribe(unwanted: SubscriptionRequest): Promise<void> {
    this.subscriptions.remove(unwanted);
    await this.request('unsubscribe', 'unsubscribed', mutable(unwanted));
  }

  /**
   * The stream of a session for as long as anybody watches it; connected or not. What fails is told by `error`.
   * @returns a function that ends it, unless the session was also subscribed to, or driven by this client.
   */
  watchSession(sessionId: string): () => void {
    const isNew = !this.subscriptions.has(sessionId);
    this.subscriptions.watch(sessionId);
    const ask = (type: 'subscribe' | 'unsubscribe', answer: 'subscribed' | 'unsubscribed'): void => {
      if (!this.isConnected) return;
      this.request(type, answer, { sessionIds: [sessionId] }).catch(() => undefined);
    };
    if (isNew) ask('subscribe', 'subscribed');
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.subscriptions.unwatch(sessionId);
      if (!this.subscriptions.has(sessionId)) ask('unsubscribe', 'unsubscribed');
    };
  }

  private async request<T extends RequestType, A extends AnswerType>(
    type: T,
    answerType: A,
    payload?: PayloadOf<T>,
  ): Promise<AnswerOf<A>> {
    const { connection, state } = this.connector;
    const mayWait = state === 'connecting' || (state === 'reconnecting' && this.settings.queueWhileOffline);
    if (connection === undefined && !mayWait) throw notConnected();
    const requestId = this.newRequestId();
    const message = { type, requestId, ...(payload === undefined ? {} : { payload }) };
    const answered = this.ledger.add(requestId, type, message);
    if (connection !== undefined) this.ledger.sendWaiting(connection.send);
    const answer = await answered;
    // Contract 002, section 4: what cannot run is told as a task that failed.
    if (answer.type === 'task_failed') {
      throw refusalError({ error: answer.error, sessionId: answer.sessionId });
    }
    // `terminal_done` says no more than that it was done, and so does any other answer.
    if (answer.type !== answerType && answerType !== 'terminal_done') {
      throw new OrchestratorError(
        'INTERNAL',
        'protocol_violation',
        `The daemon answered "${type}" with "${answer.type}".`,
      );
    }
    return answer as DaemonFrame & AnswerOf<A>;
  }

  private handle(frame: DaemonFrame): void {
    if (!this.place.accept(frame) || this.isSilenced(frame)) return;
    // Before its promise: whoever awaits it, and every listener, finds the session subscribed.
    if (frame.type === 'session_spawned') this.subscriptions.add({ sessionIds: [frame.session.id] });
    if (!isStreamFrame(frame) && frame.requestId !== undefined) {
      const request = this.ledger.take(frame.requestId);
      if (frame.type === 'error') request?.reject(refusalError(frame));
      else request?.resolve(frame);
    }
    this.events.emitFrame(frame);
  }

  private isSilenced(frame: DaemonFrame): boolean {
    switch (frame.type) {
      case 'stream_chunk':
        return this.silentTasks.has(frame.data.metadata.taskId);
      case 'tool_call_start':
      case 'tool_call_result':
        return this.silentTasks.has(frame.data.taskId);
      case 'task_completed':
      case 'task_failed':
        this.silentTasks.delete(frame.taskId);
        return false;
      default:
        return false;
    }
  }

  private async prepare(connection: Connection): Promise<void> {
    const place = this.place.resumeAfter;
    if (place === undefined) {
      if (!this.subscriptions.isEmpty) {
        await this.ask(connection, 'subscribe', this.subscriptions.toPayload());
      }
      return;
    }
    // Sessions that are being made have to be known before the stream is asked for, or it would lack their beginning.
    await this.ledger.sendAgain('spawn_session', connection.send);
    const wanted = this.subscriptions.toPayload();
    try {
      const resumed = await this.ask(connection, 'resume', { ...toResumePayload(place), ...wanted });
      if (resumed.type === 'resumed' && resumed.after > place.seq) {
        this.events.emit('gap', { after: place.seq });
      }
    } catch (error) {
      // Its log has lost that place, or is another one, which ends before it.
      const isGone =
        OrchestratorError.is(error, 'events_missed') || OrchestratorError.is(error, 'invalid_request');
      if (!isGone) throw error;
      this.place.startAnew();
      await this.ask(connection, 'subscribe', wanted);
      this.events.emit('gap', { after: place.seq });
    }
  }

  /** Over a connection that is still being prepared, so before everything that waits. */
  private ask(connection: Connection, type: 'resume' | 'subscribe', payload: object): Promise<DaemonFrame> {
    const requestId = this.newRequestId();
    const answered = this.ledger.add(requestId, type, { type, requestId, payload });
    this.ledger.sendOne(requestId, connection.send);
    return answered;
  }

  private newRequestId(): string {
    return `${this.idPrefix}-${this.nextId++}`;
  }
}

function toResumePayload({ seq, part }: Place): { after: number; part?: number } {
  return part === undefined ? { after: seq } : { after: seq, part };
}

/** The protocol's types are those of arrays that may be changed. */
function mutable({ sessionIds, topics }: SubscriptionRequest): PayloadOf<'subscribe'> {
  return {
    ...(sessionIds === undefined ? {} : { sessionIds: [...sessionIds] }),
    ...(topics === undefined ? {} : { topics: [...topics] }),
  };
}

const clients = new Map<string, DaemonClient>();

/** The one client of this program for a URL. Options count with the first call for that URL. */
export function getDaemonClient(options: DaemonClientOptions = {}): DaemonClient {
  const url = options.url ?? defaultUrl();
  let client = clients.get(url);
  if (client === undefined) {
    client = new DaemonClient({ ...options, url });
    clients.set(url, client);
  }
  return client;
}
