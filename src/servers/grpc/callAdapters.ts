import {
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  type Metadata,
  status as grpcStatus,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import type { ServerHttp2Stream } from 'node:http2';
import type { Readable } from 'node:stream';
import { OrchestratorError } from '../../base/errors.ts';
import type { Principal } from '../../core/terminals/owners.ts';
import type { MessageType, RpcMethod } from '../../protocol/rpc.ts';
import { checkSize, type EncodedMessages, encodeMessage } from './encodedMessages.ts';
import { rpcFailure } from './rpcErrors.ts';
import type {
  BidiHandler,
  ClientStreamHandler,
  Outgoing,
  ServerStreamHandler,
  UnaryHandler,
} from './rpcHandlers.ts';
import { type CallStatus, type RawCall, ServerCall } from './serverCall.ts';
import { writeMessages } from './streamWriter.ts';

/** What all calls of a server share. */
export interface CallEnvironment {
  /** Who calls. Errors: `unauthenticated`, `permission_denied`. */
  readonly authenticate: (metadata: Metadata) => Principal;
  /** Calls under way that do not end by themselves, to be told when the server closes. */
  readonly openStreams: Set<ServerCall>;
  /** Bytes of one message at most. */
  readonly maxSendBytes: number;
  /** An error that is nobody's but ours. */
  readonly onInternalError: (path: string, error: OrchestratorError) => void;
}

/** A handler of ours as grpc-js takes it. */
export function adaptHandler(
  method: RpcMethod,
  handler: unknown,
  environment: CallEnvironment,
): UntypedHandleCall {
  // What `implement` has checked, by method, the untyped table of a server cannot know.
  if (method.requestStream) {
    return method.responseStream
      ? adaptBidi(method, handler as BidiHandler<unknown, unknown>, environment)
      : adaptClientStream(method, handler as ClientStreamHandler<unknown, unknown>, environment);
  }
  return method.responseStream
    ? adaptServerStream(method, handler as ServerStreamHandler<unknown, unknown>, environment)
    : adaptUnary(method, handler as UnaryHandler<unknown, unknown>, environment);
}

function adaptUnary(
  { requestType, responseType }: RpcMethod,
  handler: UnaryHandler<unknown, unknown>,
  environment: CallEnvironment,
): handleUnaryCall<Buffer, unknown> {
  return (raw, callback) => {
    const run = async (): Promise<void> => {
      let call: ServerCall | undefined;
      try {
        call = open(raw, environment);
        const answer = await handler(decode(requestType, raw.request), call);
        answerOnce(raw, call, encodeMessage(responseType, answer), environment);
      } catch (error) {
        callback(failure(raw, error, call, environment));
      }
    };
    void run();
  };
}

function adaptClientStream(
  { requestType, responseType }: RpcMethod,
  handler: ClientStreamHandler<unknown, unknown>,
  environment: CallEnvironment,
): handleClientStreamingCall<Buffer, unknown> {
  return (raw, callback) => {
    const run = async (): Promise<void> => {
      let call: ServerCall | undefined;
      try {
        call = open(raw, environment);
        const answer = await handler(requestsOf(raw, requestType, call), call);
        answerOnce(raw, call, encodeMessage(responseType, answer), environment);
      } catch (error) {
        callback(failure(raw, error, call, environment));
      }
    };
    void run();
  };
}

function adaptServerStream(
  { requestType, responseType }: RpcMethod,
  handler: ServerStreamHandler<unknown, unknown>,
  environment: CallEnvironment,
): handleServerStreamingCall<Buffer, unknown> {
  return (raw) => {
    void answerStream(raw, responseType, environment, (call) =>
      handler(decode(requestType, raw.request), call),
    );
  };
}

function adaptBidi(
  { requestType, responseType }: RpcMethod,
  handler: BidiHandler<unknown, unknown>,
  environment: CallEnvironment,
): handleBidiStreamingCall<Buffer, unknown> {
  return (raw) => {
    void answerStream(raw, responseType, environment, (call) =>
      handler(requestsOf(raw, requestType, call), call),
    );
  };
}

/**
 * One message and the status after it, in one go. grpc-js itself waits for the message to be written before it writes
 * the status, which costs a turn of the event loop a call.
 */
function answerOnce(
  raw: RawCall,
  call: ServerCall,
  answer: EncodedMessages<unknown>,
  { maxSendBytes }: CallEnvironment,
): void {
  checkSize(answer, maxSendBytes);
  const { stream, sendStatus } = transportOf(raw);
  if (raw.cancelled || stream.destroyed || stream.closed) return;
  call.sendMetadata(true);
  stream.write(answer.frames);
  sendStatus({ code: grpcStatus.OK, details: 'OK', metadata: call.ownTrailers ?? null });
}

/** The common part of calls whose answer is a stream. */
interface RawStream extends RawCall {
  end(trailers?: Metadata): unknown;
  emit(event: 'error', error: unknown): boolean;
}

async function answerStream(
  raw: RawStream,
  type: MessageType<unknown>,
  environment: CallEnvironment,
  start: (call: ServerCall) => AsyncIterable<Outgoing<unknown>>,
): Promise<void> {
  const { openStreams, maxSendBytes } = environment;
  let call: ServerCall | undefined;
  try {
    call = open(raw, environment);
    openStreams.add(call);
    const { stream } = transportOf(raw);
    await writeMessages(start(call), { stream, call, type, maxMessageBytes: maxSendBytes });
    raw.end(call.ownTrailers);
  } catch (error) {
    raw.emit('error', failure(raw, error, call, environment));
  } finally {
    if (call !== undefined) openStreams.delete(call);
  }
}

function open(raw: RawCall, { authenticate }: CallEnvironment): ServerCall {
  return new ServerCall(raw, authenticate(raw.metadata));
}

function failure(
  raw: RawCall,
  error: unknown,
  call: ServerCall | undefined,
  environment: CallEnvironment,
): ReturnType<typeof rpcFailure> {
  const known = OrchestratorError.from(error);
  if (known.reason === 'internal') environment.onInternalError(raw.getPath(), known);
  return rpcFailure(known, call?.ownTrailers);
}

async function* requestsOf<I>(
  raw: Readable,
  type: MessageType<I>,
  call: ServerCall,
): AsyncGenerator<I, void, undefined> {
  const { signal } = call;
  try {
    // A handler that has read enough may still answer.
    const messages: AsyncIterable<Buffer> = raw.iterator({ destroyOnReturn: false });
    for await (const bytes of messages) yield decode(type, bytes);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

/** Only after the caller is known: grpc-js hands the bytes over as they are. */
function decode<I>(type: MessageType<I>, bytes: Buffer): I {
  try {
    return type.decode(bytes);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new OrchestratorError(
      'INVALID_ARGUMENT',
      'invalid_request',
      `The request cannot be decoded: ${why}.`,
    );
  }
}

interface Transport {
  readonly stream: ServerHttp2Stream;
  readonly sendStatus: (status: CallStatus) => void;
}

/**
 * What lies below a call of grpc-js, which has no other door to it: its own way to write is message by message. Its
 * version is pinned, and the interop tests fail where this does.
 */
function transportOf(raw: object): Transport {
  const { call } = raw as { readonly call?: Partial<Transport> };
  if (call?.stream === undefined || call.sendStatus === undefined) {
    throw new OrchestratorError(
      'INTERNAL',
      'internal',
      'This version of grpc-js hides what lies below a call.',
    );
  }
  return { stream: call.stream, sendStatus: call.sendStatus.bind(call) };
}
