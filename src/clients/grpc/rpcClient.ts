import {
  type CallOptions,
  type Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientWritableStream,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import type { MessageType, RequestOf, ResponseOf, RpcMethod, RpcService } from '../../protocol/rpc.ts';
import { errorOfStatus } from './statusErrors.ts';

export interface RpcOptions {
  /** Gives the call up. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds; 0 for no limit. Default: that of the client for calls with one answer, none for streams. */
  readonly timeoutMs?: number | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

type Unary<I, O> = (request: I, options?: RpcOptions) => Promise<O>;
type ServerStream<I, O> = (request: I, options?: RpcOptions) => AsyncIterable<O>;
type ClientStream<I, O> = (requests: AsyncIterable<I>, options?: RpcOptions) => Promise<O>;
type Bidi<I, O> = (requests: AsyncIterable<I>, options?: RpcOptions) => AsyncIterable<O>;

type RpcCall<M extends RpcMethod> = M['requestStream'] extends true
  ? M['responseStream'] extends true
    ? Bidi<RequestOf<M>, ResponseOf<M>>
    : ClientStream<RequestOf<M>, ResponseOf<M>>
  : M['responseStream'] extends true
    ? ServerStream<RequestOf<M>, ResponseOf<M>>
    : Unary<RequestOf<M>, ResponseOf<M>>;

/** A service as functions. Every failure is an OrchestratorError; leaving the loop over a stream gives the call up. */
export type RpcClient<S extends RpcService> = {
  readonly [K in keyof S['methods']]: RpcCall<S['methods'][K]>;
};

export interface RpcClientOptions {
  /** The connection; fails where there is none. */
  readonly connection: () => Client;
  /** Of calls with one answer, in milliseconds; 0 for no limit. */
  readonly timeoutMs: number;
  /** Sent with every call. */
  readonly metadata: Readonly<Record<string, string>>;
}

export function createRpcClient<S extends RpcService>(service: S, options: RpcClientOptions): RpcClient<S> {
  const calls = Object.entries(service.methods).map(([key, method]) => [
    key,
    callOf(`/${service.fullName}/${method.name}`, method, options),
  ]);
  // Each entry is what the type says of its method.
  return Object.fromEntries(calls) as RpcClient<S>;
}

function callOf(path: string, method: RpcMethod, client: RpcClientOptions): unknown {
  const encode = (message: unknown): Buffer => Buffer.from(method.requestType.encode(message).finish());
  const decode = decoderOf(method.responseType);
  const headers = (options: RpcOptions): Metadata => {
    const metadata = new Metadata();
    for (const [key, value] of Object.entries({ ...client.metadata, ...options.metadata }))
      metadata.set(key, value);
    return metadata;
  };
  const settings = (options: RpcOptions, defaultMs: number): CallOptions => {
    const timeoutMs = options.timeoutMs ?? defaultMs;
    return timeoutMs === 0 ? {} : { deadline: Date.now() + timeoutMs };
  };

  const unary: Unary<unknown, unknown> = (request, options = {}) =>
    new Promise((resolve, reject) => {
      const call = client
        .connection()
        .makeUnaryRequest(
          path,
          encode,
          decode,
          request,
          headers(options),
          settings(options, client.timeoutMs),
          answerTo(resolve, reject),
        );
      cancelOn(options.signal, call);
    });
  const clientStream: ClientStream<unknown, unknown> = (requests, options = {}) =>
    new Promise((resolve, reject) => {
      const call = client
        .connection()
        .makeClientStreamRequest(
          path,
          encode,
          decode,
          headers(options),
          settings(options, client.timeoutMs),
          answerTo(resolve, reject),
        );
      cancelOn(options.signal, call);
      void send(requests, call);
    });
  const serverStream: ServerStream<unknown, unknown> = (request, options = {}) => {
    const call = client
      .connection()
      .makeServerStreamRequest(path, encode, decode, request, headers(options), settings(options, 0));
    watch(call, options.signal);
    return answersOf(call);
  };
  const bidi: Bidi<unknown, unknown> = (requests, options = {}) => {
    const call: ClientDuplexStream<unknown, unknown> = client
      .connection()
      .makeBidiStreamRequest(path, encode, decode, headers(options), settings(options, 0));
    watch(call, options.signal);
    void send(requests, call);
    return answersOf(call);
  };

  if (method.requestStream) return method.responseStream ? bidi : clientStream;
  return method.responseStream ? serverStream : unary;
}

function decoderOf<O>(type: MessageType<O>): (bytes: Buffer) => O {
  return (bytes) => type.decode(bytes);
}

function answerTo(
  resolve: (answer: unknown) => void,
  reject: (error: Error) => void,
): (error: ServiceError | null, answer?: unknown) => void {
  return (error, answer) => {
    if (error === null) resolve(answer);
    else reject(errorOfStatus(error));
  };
}

function cancelOn(signal: AbortSignal | undefined, call: { cancel(): void }): void {
  if (signal?.aborted === true) call.cancel();
  else signal?.addEventListener('abort', () => call.cancel(), { once: true });
}

/** As fast as the server takes them; the end of the call ends it, and its error is told to who reads the answer. */
async function send(
  requests: AsyncIterable<unknown>,
  call: ClientWritableStream<unknown> | ClientDuplexStream<unknown, unknown>,
): Promise<void> {
  try {
    for await (const request of requests) {
      if (call.destroyed || call.writableEnded) return;
      if (!call.write(request)) await Promise.race([once(call, 'drain'), once(call, 'status')]);
    }
    call.end();
  } catch {
    call.cancel();
  }
}

/** A stream may fail before anybody reads it; who reads it is told then. */
function watch(call: Readable & { cancel(): void }, signal: AbortSignal | undefined): void {
  call.on('error', () => undefined);
  cancelOn(signal, call);
}

async function* answersOf(
  call: ClientReadableStream<unknown> | ClientDuplexStream<unknown, unknown>,
): AsyncGenerator<unknown, void, undefined> {
  try {
    for await (const message of call) yield message;
  } catch (error) {
    throw errorOfStatus(error);
  } finally {
    call.cancel();
  }
}
