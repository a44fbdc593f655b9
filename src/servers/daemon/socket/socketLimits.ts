import { authLimitMs } from '../../../protocol/daemon/handshake.ts';

/** What one client, and all of them together, may take. Times are in milliseconds. */
export interface SocketLimits {
  readonly maxConnections: number;
  /** Of one caller; those of a gRPC connection count too. */
  readonly maxConnectionsPerCaller: number;
  /** Connections that have not shown a token yet; for one more the oldest of them goes. */
  readonly maxStrangers: number;
  /** How long a client without a token may take to send `auth`. */
  readonly authTimeoutMs: number;
  /** Of a message before its sender has shown a token. */
  readonly maxStrangerBytes: number;
  /** Of a message, and of what a compressed one becomes. One that is longer is not read, and answered with an error. */
  readonly maxMessageBytes: number;
  /** Of a message; one more for each 4 KiB of it. */
  readonly maxFragments: number;
  /** From a message's first byte to its last. */
  readonly messageTimeoutMs: number;
  /** Objects and arrays inside each other. */
  readonly maxDepth: number;
  /** Values and keys in a message. */
  readonly maxValues: number;
  /** What the following ones are counted in. */
  readonly windowMs: number;
  /** Messages of a connection: more are answered with an error and not handled. */
  readonly maxMessages: number;
  /** The same for all connections of a caller. */
  readonly maxMessagesPerCaller: number;
  /** Messages that are no requests; one of many bytes counts for each 64 KiB. Beyond them the connection is closed. */
  readonly maxInvalid: number;
  /** Pings and pongs of a connection; beyond them it is closed. */
  readonly maxControlFrames: number;
  /** Messages over `maxMessageBytes`; beyond them the connection is closed. */
  readonly maxOversized: number;
  /** What a connection may send on and on, in bytes a second; faster ones are slowed down, not closed. */
  readonly bytesPerSecond: number;
  /** What it may send at once, in bytes. */
  readonly burstBytes: number;
  /** How often a client is sent a ping. */
  readonly pingIntervalMs: number;
  /** From a ping to its pong, or to anything else that comes. */
  readonly pongTimeoutMs: number;
  /** Above so many bytes that wait for a client nothing more is taken for it, nor read from it. */
  readonly highWaterBytes: number;
  /** Below so many it goes on. */
  readonly lowWaterBytes: number;
  /** So many at most: a client for which more wait is cut off. */
  readonly maxWaitingBytes: number;
  /** How long bytes may wait without one of them going. */
  readonly stallTimeoutMs: number;
  /** From our close frame to the end of the connection. */
  readonly closeTimeoutMs: number;
  /** Frames of so many bytes or more go out compressed, where the client can read that. */
  readonly compressFromBytes: number;
}

const mebibyte = 1024 * 1024;

export const defaultSocketLimits: SocketLimits = {
  maxConnections: 1_000,
  maxConnectionsPerCaller: 64,
  maxStrangers: 16,
  authTimeoutMs: authLimitMs,
  maxStrangerBytes: 8 * 1024,
  maxMessageBytes: 4 * mebibyte,
  maxFragments: 1_024,
  messageTimeoutMs: 30_000,
  maxDepth: 64,
  maxValues: 100_000,
  windowMs: 10_000,
  maxMessages: 1_000,
  maxInvalid: 100,
  maxMessagesPerCaller: 10_000,
  maxControlFrames: 100,
  maxOversized: 3,
  bytesPerSecond: 16 * mebibyte,
  burstBytes: 16 * mebibyte,
  pingIntervalMs: 30_000,
  pongTimeoutMs: 30_000,
  highWaterBytes: 256 * 1024,
  lowWaterBytes: 64 * 1024,
  maxWaitingBytes: mebibyte,
  stallTimeoutMs: 30_000,
  closeTimeoutMs: 2_000,
  compressFromBytes: 16 * 1024,
};
