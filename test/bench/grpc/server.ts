/**
 * Our side of `npm run bench grpc`: the layer of the gRPC door under a service of raw bytes, as the Go peer has it.
 * server.ts SOCKET
 */
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { nullLogger } from '../../../src/base/logger.ts';
import type { MessageType } from '../../../src/protocol/rpc.ts';
import {
  encodeMessage,
  type EncodedMessages,
  joinMessages,
} from '../../../src/servers/grpc/encodedMessages.ts';
import { GrpcServer } from '../../../src/servers/grpc/grpcServer.ts';
import { implement } from '../../../src/servers/grpc/rpcHandlers.ts';

/** Bytes as they are, without a message around them. */
const bytes: MessageType<Uint8Array> = {
  encode: (message, writer = new BinaryWriter()) => writer.raw(message),
  decode: (input) => input as Uint8Array,
};

const answer = new Uint8Array(1_024);
/** As many as one page of the event log has. */
const pageSize = 256;
/** By size: what all subscribers are sent was encoded once. */
const pages = new Map<number, EncodedMessages<Uint8Array>>();

function pageOf(size: number): EncodedMessages<Uint8Array> {
  let page = pages.get(size);
  if (page === undefined) {
    page = joinMessages(Array.from({ length: pageSize }, () => encodeMessage(bytes, new Uint8Array(size))));
    pages.set(size, page);
  }
  return page;
}

const method = { requestType: bytes, requestStream: false, responseType: bytes } as const;
const service = implement(
  {
    name: 'Bench',
    fullName: 'bench.v1.Bench',
    methods: {
      unary: { ...method, name: 'Unary', responseStream: false as const },
      stream: { ...method, name: 'Stream', responseStream: true as const },
      /** The same, with each message encoded for itself. */
      streamEach: { ...method, name: 'StreamEach', responseStream: true as const },
    },
  },
  {
    unary: () => answer,
    async *stream(request) {
      const [count, size] = countAndSize(request);
      const page = pageOf(size);
      for (let sent = 0; sent < count; sent += pageSize) yield page;
    },
    async *streamEach(request) {
      const [count, size] = countAndSize(request);
      const message = new Uint8Array(size);
      for (let sent = 0; sent < count; sent += 1) yield message;
    },
  },
);

function countAndSize(request: Uint8Array): [count: number, size: number] {
  const view = new DataView(request.buffer, request.byteOffset);
  return [view.getUint32(0), view.getUint32(4)];
}

const server = new GrpcServer({ services: [service], socketPath: process.argv[2] ?? '', logger: nullLogger });
await server.start();
console.log('ready');
