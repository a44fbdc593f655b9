import { Server } from '@grpc/grpc-js';
import type { MessageType, RpcMethod } from '../../protocol/rpc.ts';
import { adaptHandler, type CallEnvironment } from './callAdapters.ts';
import type { ServiceImplementation } from './rpcHandlers.ts';

export interface MessageLimits {
  /** Bytes of one message at most, each way. Default 100 MiB. */
  readonly maxReceiveBytes: number;
  readonly maxSendBytes: number;
}

/** Calls at a time on one connection: enough for a thousand watchers, and no more than that takes. */
const maxConcurrentStreams = 4_096;
/** A connection over TCP whose other end is gone is noticed so soon. */
const keepaliveMs = 60_000;

/** A server of grpc-js with our services, which listens nowhere: connections are given to it. */
export function createRpcServer(
  services: readonly ServiceImplementation[],
  limits: MessageLimits,
  environment: CallEnvironment,
): Server {
  const server = new Server({
    'grpc.max_receive_message_length': limits.maxReceiveBytes,
    'grpc.max_send_message_length': limits.maxSendBytes,
    'grpc.max_concurrent_streams': maxConcurrentStreams,
    'grpc.keepalive_time_ms': keepaliveMs,
    'grpc.keepalive_timeout_ms': keepaliveMs,
    'grpc.enable_channelz': 0,
  });
  for (const { definition, handlers } of services) {
    for (const [key, method] of Object.entries(definition.methods)) {
      const handler = handlers[key];
      if (handler === undefined) continue;
      for (const name of serviceNames(definition.fullName)) {
        server.register(
          `/${name}/${method.name}`,
          adaptHandler(method, handler, environment),
          encoderOf(method.responseType),
          (bytes: Buffer) => bytes,
          kindOf(method),
        );
      }
    }
  }
  return server;
}

/**
 * Every name of a service: its own, and that with `proto.` in front by which baaaht's documentation calls it. gRPC's
 * own services have only one.
 */
export function serviceNames(fullName: string): string[] {
  return fullName.startsWith('grpc.') ? [fullName] : [fullName, `proto.${fullName}`];
}

function encoderOf<O>(type: MessageType<O>): (message: O) => Buffer {
  return (message) => {
    const { buffer, byteOffset, byteLength } = type.encode(message).finish();
    return Buffer.from(buffer, byteOffset, byteLength);
  };
}

function kindOf({ requestStream, responseStream }: RpcMethod): string {
  if (requestStream) return responseStream ? 'bidi' : 'clientStream';
  return responseStream ? 'serverStream' : 'unary';
}
