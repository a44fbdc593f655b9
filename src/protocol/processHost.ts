import type { ErrorShape } from '../base/errors.ts';

/**
 * The wire between the process host, its clients and its workers: a private Unix socket (a named pipe on Windows).
 *
 * Every frame is: length (u32, big endian, of what follows), kind (u8), body. Kinds: `json`, a UTF-8 JSON object of the
 * types below; `output`, bytes of a followed terminal: stream number (u32), absolute offset (u64), bytes.
 * A connection's first frame is `hello`; anything else, a frame over `maxFrameBytes`, or 5 s of silence before it ends
 * the connection.
 */
export const processHostProtocol = 1;
/** The oldest that this build still speaks: one below, from version 2 on. */
export const oldestProcessHostProtocol = 1;

export const frameKind = { json: 0, output: 1 } as const;
/** 16 MiB: above the largest snapshot and input that we send. */
export const maxFrameBytes = 16 * 1024 * 1024;
export const helloTimeoutMs = 5_000;
export const heartbeatIntervalMs = 2_000;

export interface HelloParams {
  readonly protocol: number;
  readonly oldestProtocol: number;
  readonly version: string;
  /** 64 hex characters, from the endpoint file (a client) or the worker's standard input (a worker). */
  readonly token: string;
  readonly role: 'client' | 'worker';
  /** Of a worker: its id. */
  readonly workerId?: string;
}

export interface HelloResult {
  readonly protocol: number;
  readonly version: string;
  readonly pid: number;
  readonly hostId: string;
}

export interface RequestFrame {
  readonly id: number;
  readonly method: string;
  readonly params: unknown;
}

export type ResponseFrame =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: ErrorShape };

/** No answer. */
export interface NotificationFrame {
  readonly notify: string;
  readonly params: unknown;
}

export type JsonFrame = RequestFrame | ResponseFrame | NotificationFrame;

/** `<stateDir>/host-v<protocol>/endpoint.json`, 0600, written by rename: how a client finds the host. */
export interface EndpointFile {
  readonly protocol: number;
  readonly version: string;
  readonly pid: number;
  readonly hostId: string;
  /** Path of the socket, or of the named pipe. */
  readonly socket: string;
  readonly token: string;
  readonly startedAt: number;
}
