import { type Clock, systemClock } from '../../base/clock.ts';
import { type CreateWebSocket, createGlobalWebSocket } from './webSocket.ts';

/** How a `DaemonClient` connects. All times in milliseconds. */
export interface DaemonClientOptions {
  /** `ws://` or `wss://`. Default: `NEXT_PUBLIC_DAEMON_WS_URL` of the environment, else `ws://localhost:8787`. */
  readonly url?: string | undefined;
  /** The daemon's access token, or a JWT where it takes these. */
  readonly token?: string | undefined;
  /** Asked for a token before each attempt, and once more when one was refused; goes before `token`. */
  readonly getToken?: (() => string | Promise<string>) | undefined;
  /**
   * How the token travels: as the first frame (`auth`; works everywhere and stands in no log), as the header
   * `Authorization` (not in browsers), or as a subprotocol. Default: `frame`.
   */
  readonly tokenBy?: 'frame' | 'header' | 'subprotocol' | undefined;
  /** Default: `json`. */
  readonly encoding?: 'json' | 'cbor' | undefined;
  /** Default: the environment's own `WebSocket`. */
  readonly createWebSocket?: CreateWebSocket | undefined;
  /** Of one attempt to connect, up to being authenticated. Default: 10,000. */
  readonly connectTimeoutMs?: number | undefined;
  /** Of one request, the time that it waits for a connection included. Default: 30,000. */
  readonly requestTimeoutMs?: number | undefined;
  /** Between two pings. Default: 30,000; 0 for none. */
  readonly heartbeatIntervalMs?: number | undefined;
  /** How long a ping may stay unanswered before the connection counts as dead. Default: 10,000. */
  readonly heartbeatTimeoutMs?: number | undefined;
  /** False: a lost connection stays lost. Default: true. */
  readonly reconnect?: boolean | undefined;
  /** Attempts in a row before `reconnect_failed`. Default: 10. */
  readonly maxReconnectAttempts?: number | undefined;
  /** Before the first attempt; doubled with each further one. Default: 3,000. */
  readonly reconnectDelayMs?: number | undefined;
  /** Longest time between two attempts. Default: 60,000. */
  readonly maxReconnectDelayMs?: number | undefined;
  /** Up to this part of each delay is taken off at random, so that many clients do not come at once: 0 to 1. Default: 0. */
  readonly reconnectJitter?: number | undefined;
  /** False: requests fail while there is no connection, instead of waiting for the next one. Default: true. */
  readonly queueWhileOffline?: boolean | undefined;
  /** Requests that may wait for a connection. Default: 1,000. */
  readonly maxQueuedRequests?: number | undefined;
  /** Their size in characters of JSON. Default: 1,048,576. */
  readonly maxQueuedBytes?: number | undefined;
  /** For tests. */
  readonly clock?: Clock | undefined;
}

/** The options with every default in its place. */
export interface ClientSettings {
  readonly url: string;
  readonly token: string | undefined;
  readonly getToken: (() => string | Promise<string>) | undefined;
  readonly tokenBy: 'frame' | 'header' | 'subprotocol';
  readonly encoding: 'json' | 'cbor';
  readonly createWebSocket: CreateWebSocket;
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  readonly heartbeatTimeoutMs: number;
  readonly reconnect: boolean;
  readonly maxReconnectAttempts: number;
  readonly reconnectDelayMs: number;
  readonly maxReconnectDelayMs: number;
  readonly reconnectJitter: number;
  readonly queueWhileOffline: boolean;
  readonly maxQueuedRequests: number;
  readonly maxQueuedBytes: number;
  readonly clock: Clock;
}

export function settingsOf(options: DaemonClientOptions): ClientSettings {
  return {
    url: options.url ?? defaultUrl(),
    token: options.token,
    getToken: options.getToken,
    tokenBy: options.tokenBy ?? 'frame',
    encoding: options.encoding ?? 'json',
    createWebSocket: options.createWebSocket ?? createGlobalWebSocket,
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
    requestTimeoutMs: options.requestTimeoutMs ?? 30_000,
    heartbeatIntervalMs: options.heartbeatIntervalMs ?? 30_000,
    heartbeatTimeoutMs: options.heartbeatTimeoutMs ?? 10_000,
    reconnect: options.reconnect ?? true,
    maxReconnectAttempts: options.maxReconnectAttempts ?? 10,
    reconnectDelayMs: options.reconnectDelayMs ?? 3_000,
    maxReconnectDelayMs: options.maxReconnectDelayMs ?? 60_000,
    reconnectJitter: options.reconnectJitter ?? 0,
    queueWhileOffline: options.queueWhileOffline ?? true,
    maxQueuedRequests: options.maxQueuedRequests ?? 1_000,
    maxQueuedBytes: options.maxQueuedBytes ?? 1_048_576,
    clock: options.clock ?? systemClock,
  };
}

/** Before the attempt with this number, from 1: 3 s, 6 s, 12 s … with the defaults. */
export function reconnectDelay(settings: ClientSettings, attempt: number): number {
  const whole = Math.min(settings.reconnectDelayMs * 2 ** (attempt - 1), settings.maxReconnectDelayMs);
  return Math.round(whole * (1 - settings.reconnectJitter * Math.random()));
}

declare const process: { readonly env: { readonly NEXT_PUBLIC_DAEMON_WS_URL?: string } };

export function defaultUrl(): string {
  let configured: string | undefined;
  try {
    // Bundlers replace exactly this expression; a page without one has no `process`.
    configured = process.env.NEXT_PUBLIC_DAEMON_WS_URL;
  } catch {
    configured = undefined;
  }
  return configured === undefined || configured === '' ? 'ws://localhost:8787' : configured;
}
