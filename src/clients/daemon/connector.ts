import type { Disposable } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { EventHub } from './clientEvents.ts';
import { type Connection, isRefusal, openConnection } from './connection.ts';
import { connectionFailed, disconnectedMeanwhile, unauthenticated } from './errors.ts';
import type { DaemonFrame } from './frameCodec.ts';
import { type ClientSettings, reconnectDelay } from './options.ts';

export type ConnectionState = 'disconnected' | 'connecting' | 'connected' | 'reconnecting';

export interface ConnectorHooks {
  onFrame(frame: DaemonFrame): void;
  /** A connection was made: what is needed before it counts as one. Its failing fails the attempt. */
  prepare(connection: Connection): Promise<void>;
  /** It counts from now on. */
  onConnected(connection: Connection): void;
  /** The connection is gone; another one may follow. */
  onLost(): void;
  /** No further connection follows by itself. */
  onGivenUp(error: OrchestratorError): void;
}

/** Keeps one connection to the daemon: opens it, watches whether it is alive, and makes the next one. */
export class Connector {
  private readonly settings: ClientSettings;
  private readonly events: EventHub;
  private readonly hooks: ConnectorHooks;
  private current: Connection | undefined;
  private opening: { readonly done: Promise<void>; readonly abort: AbortController } | undefined;
  private retry: Disposable | undefined;
  private heartbeat: Disposable | undefined;
  /** Failed attempts since the last connection. */
  private attempts = 0;
  private hasHeard = false;

  constructor(settings: ClientSettings, events: EventHub, hooks: ConnectorHooks) {
    this.settings = settings;
    this.events = events;
    this.hooks = hooks;
  }

  get state(): ConnectionState {
    if (this.current !== undefined) return 'connected';
    if (this.retry !== undefined || (this.opening !== undefined && this.attempts > 0)) return 'reconnecting';
    return this.opening === undefined ? 'disconnected' : 'connecting';
  }

  /** The connection that requests go over, once it is prepared. */
  get connection(): Connection | undefined {
    return this.current;
  }

  connect(): Promise<void> {
    if (this.current !== undefined) return Promise.resolve();
    if (this.opening !== undefined) return this.opening.done;
    this.stopRetry();
    this.attempts = 0;
    return this.attempt();
  }

  disconnect(): void {
    const wasOpen = this.current !== undefined;
    this.stopRetry();
    this.opening?.abort.abort();
    this.opening = undefined;
    this.current?.close(1000, 'Client disconnected');
    this.drop();
    this.hooks.onGivenUp(disconnectedMeanwhile());
    if (wasOpen) {
      this.events.emit('disconnected', {
        code: 1000,
        reason: 'Client disconnected',
        willReconnect: false,
      });
    }
  }

  private attempt(): Promise<void> {
    const abort = new AbortController();
    const done = this.runAttempt(abort);
    this.opening = { done, abort };
    return done;
  }

  private async runAttempt(abort: AbortController): Promise<void> {
    let connection: Connection;
    try {
      connection = await this.open(abort.signal);
      if (abort.signal.aborted) {
        connection.close(1000, 'Client disconnected');
        throw disconnectedMeanwhile();
      }
      if (!connection.isOpen) throw connectionFailed(this.settings.url, 'closed at once');
    } catch (error) {
      const failure = OrchestratorError.from(error);
      if (!abort.signal.aborted) {
        this.opening = undefined;
        this.failed(failure);
      }
      throw failure;
    }
    this.opening = undefined;
    this.current = connection;
    this.attempts = 0;
    this.startHeartbeat(connection);
    this.hooks.onConnected(connection);
    this.events.emit('connected', undefined);
  }

  private async open(signal: AbortSignal): Promise<Connection> {
    const { getToken, token } = this.settings;
    if (getToken === undefined) return await this.openWith(token, signal);
    try {
      return await this.openWith(await getToken(), signal);
    } catch (error) {
      // The one that was at hand may just have run out.
      if (!OrchestratorError.is(error, 'unauthenticated') || signal.aborted) throw error;
      return await this.openWith(await getToken(), signal);
    }
  }

  private async openWith(token: string | undefined, signal: AbortSignal): Promise<Connection> {
    let closed: { readonly code: number; readonly reason: string } | undefined;
    // What is asked while it is being prepared fails with the connection, and not only after its time limit.
    const closing = new AbortController();
    // It may end before it could be handed over.
    const made: { connection?: Connection } = {};
    const connection = await openConnection(
      this.settings,
      token,
      {
        onFrame: (frame) => {
          this.hasHeard = true;
          this.hooks.onFrame(frame);
        },
        onClose: (code, reason) => {
          closed = { code, reason };
          closing.abort();
          if (made.connection !== undefined && this.current === made.connection) this.lost(code, reason);
        },
      },
      signal,
    );
    made.connection = connection;
    const gone = new Promise<never>((_resolve, reject) => {
      const onGone = (): void => reject(this.endedEarly(closed, signal));
      if (closing.signal.aborted) onGone();
      closing.signal.addEventListener('abort', onGone);
      signal.addEventListener('abort', onGone);
    });
    try {
      await Promise.race([this.hooks.prepare(connection), gone]);
    } catch (error) {
      connection.close(1000, 'gave up');
      this.hooks.onLost();
      throw error;
    }
    return connection;
  }

  private endedEarly(
    closed: { readonly code: number; readonly reason: string } | undefined,
    signal: AbortSignal,
  ): OrchestratorError {
    if (closed === undefined || signal.aborted) return disconnectedMeanwhile();
    if (isRefusal(closed.code)) return unauthenticated(closed.reason);
    return connectionFailed(this.settings.url, `closed with ${closed.code}`);
  }

  /** A connection that was open has ended. */
  private lost(code: number, reason: string): void {
    this.drop();
    const isRefused = isRefusal(code);
    const willReconnect = this.settings.reconnect && (!isRefused || this.settings.getToken !== undefined);
    this.events.emit('disconnected', { code, reason, willReconnect });
    if (willReconnect) {
      // With a new token there is nothing to wait for.
      this.scheduleRetry(isRefused ? 0 : undefined);
      return;
    }
    const error = isRefused ? unauthenticated(reason) : connectionFailed(this.settings.url, reason);
    this.events.emit('error', error);
    this.hooks.onGivenUp(error);
  }

  private failed(error: OrchestratorError): void {
    this.events.emit('error', error);
    if (!this.settings.reconnect || OrchestratorError.is(error, 'unauthenticated')) {
      this.hooks.onGivenUp(error);
    } else if (this.attempts >= this.settings.maxReconnectAttempts) {
      const attempts = this.attempts;
      this.attempts = 0;
      this.hooks.onGivenUp(error);
      this.events.emit('reconnect_failed', { attempts });
    } else this.scheduleRetry();
  }

  private scheduleRetry(fixedDelayMs?: number): void {
    // A listener of `disconnected` or `error` may have decided otherwise meanwhile.
    if (this.current !== undefined || this.opening !== undefined) return;
    this.stopRetry();
    this.attempts += 1;
    const delayMs = fixedDelayMs ?? reconnectDelay(this.settings, this.attempts);
    this.retry = this.settings.clock.setTimer(delayMs, () => {
      this.retry = undefined;
      // Told by `error`; the next attempt is on its way.
      this.attempt().catch(() => undefined);
    });
    this.events.emit('reconnecting', { attempt: this.attempts, delayMs });
  }

  private startHeartbeat(connection: Connection): void {
    const { clock, heartbeatIntervalMs, heartbeatTimeoutMs } = this.settings;
    if (heartbeatIntervalMs <= 0) return;
    this.heartbeat = clock.setTimer(heartbeatIntervalMs, () => {
      this.hasHeard = false;
      connection.send({ type: 'ping' });
      this.heartbeat = clock.setTimer(heartbeatTimeoutMs, () => {
        if (this.hasHeard) {
          this.startHeartbeat(connection);
          return;
        }
        connection.close(4000, 'no answer to ping');
        this.lost(1006, `no answer to a ping within ${heartbeatTimeoutMs} ms`);
      });
    });
  }

  private drop(): void {
    this.heartbeat?.dispose();
    this.heartbeat = undefined;
    this.current = undefined;
    this.hooks.onLost();
  }

  private stopRetry(): void {
    this.retry?.dispose();
    this.retry = undefined;
  }
}
