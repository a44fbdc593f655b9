import type { Metadata } from '@grpc/grpc-js';
import type { Principal } from '../../core/terminals/owners.ts';
import type { RequestOf, ResponseOf, RpcMethod, RpcService } from '../../protocol/rpc.ts';
import type { EncodedMessages } from './encodedMessages.ts';

/** What a handler knows of its call besides the request. */
export interface CallContext {
  /** Full path: `/run.v1.RunService/GetRun`. */
  readonly path: string;
  /** With whose rights the call is made; null for a person. */
  readonly principal: Principal;
  /**
   * Aborts when nobody waits for the answer any more: the client cancels or goes away, the deadline passes, the server
   * closes. Its reason is an OrchestratorError, and throwing it, or simply returning, is the right end of a stream.
   */
  readonly signal: AbortSignal;
  /** As the client sent it. */
  readonly metadata: Metadata;
  /** Goes out before the first message, of a stream at the end of its handler's first turn; what is set later is lost. */
  readonly responseMetadata: Metadata;
  /** Goes out with the status. */
  readonly trailers: Metadata;
}

/** What a stream may yield: a message, or messages that were encoded before, once for all who get them. */
export type Outgoing<O> = O | EncodedMessages<O>;

export type UnaryHandler<I, O> = (request: I, call: CallContext) => Promise<O> | O;
/** Is pulled as fast as the client reads; its `return` is called when the call ends early. */
export type ServerStreamHandler<I, O> = (request: I, call: CallContext) => AsyncIterable<Outgoing<O>>;
/** Requests are read as fast as they are pulled; they end when the client has no more, and throw when it is gone. */
export type ClientStreamHandler<I, O> = (requests: AsyncIterable<I>, call: CallContext) => Promise<O>;
/** The call ends when the answers do, also where the client still sends. */
export type BidiHandler<I, O> = (requests: AsyncIterable<I>, call: CallContext) => AsyncIterable<Outgoing<O>>;

/** The kind of handler that a method of generated code asks for. */
export type RpcHandler<M extends RpcMethod> = M['requestStream'] extends true
  ? M['responseStream'] extends true
    ? BidiHandler<RequestOf<M>, ResponseOf<M>>
    : ClientStreamHandler<RequestOf<M>, ResponseOf<M>>
  : M['responseStream'] extends true
    ? ServerStreamHandler<RequestOf<M>, ResponseOf<M>>
    : UnaryHandler<RequestOf<M>, ResponseOf<M>>;

/** Every method of a service. */
export type RpcHandlers<S extends RpcService> = {
  readonly [K in keyof S['methods']]: RpcHandler<S['methods'][K]>;
};

/** A service with its handlers, for the server. */
export interface ServiceImplementation {
  readonly definition: RpcService;
  readonly handlers: Readonly<Record<string, unknown>>;
}

/**
 * Binds handlers to a service: `implement(RunServiceDefinition, { getRun: (request, call) => … })`. Methods that are
 * left out answer UNIMPLEMENTED.
 */
export function implement<S extends RpcService>(
  definition: S,
  handlers: Partial<RpcHandlers<S>>,
): ServiceImplementation {
  return { definition, handlers };
}
