import { OrchestratorError, type ErrorCode } from '../../src/base/errors.ts';
import {
  type CallContext,
  implement,
  type ServiceImplementation,
} from '../../src/servers/grpc/rpcHandlers.ts';
import {
  type EchoStatus,
  type Payload,
  type StreamingOutputCallRequest,
  type StreamingOutputCallResponse,
  TestServiceDefinition,
} from './gen/grpc/testing/test.ts';

const initialKey = 'x-grpc-test-echo-initial';
const trailingKey = 'x-grpc-test-echo-trailing-bin';

const codes: readonly (ErrorCode | undefined)[] = [undefined, 'CANCELLED', 'UNKNOWN', 'INVALID_ARGUMENT'];

/** The service of gRPC's interoperability cases, on the layer that the product's services stand on. */
export function testService(): ServiceImplementation {
  return implement(TestServiceDefinition, {
    emptyCall: () => ({}),
    unaryCall: ({ responseSize, responseStatus }, call) => {
      echoMetadata(call);
      failAsAsked(responseStatus);
      return { payload: payloadOf(responseSize) };
    },
    streamingOutputCall: (request, call) => answers(request, call),
    streamingInputCall: async (requests) => {
      let aggregatedPayloadSize = 0;
      for await (const { payload } of requests) aggregatedPayloadSize += payload?.body.length ?? 0;
      return { aggregatedPayloadSize };
    },
    async *fullDuplexCall(requests, call) {
      echoMetadata(call);
      for await (const request of requests) yield* answers(request, call);
    },
  });
}

async function* answers(
  { responseParameters, responseStatus }: StreamingOutputCallRequest,
  { signal }: CallContext,
): AsyncGenerator<StreamingOutputCallResponse, void, undefined> {
  for (const { size, intervalUs } of responseParameters) {
    if (intervalUs > 0) await new Promise((resolve) => setTimeout(resolve, intervalUs / 1_000));
    signal.throwIfAborted();
    yield { payload: payloadOf(size) };
  }
  failAsAsked(responseStatus);
}

function payloadOf(size: number): Payload {
  return { type: 0, body: new Uint8Array(size) };
}

function echoMetadata({ metadata, responseMetadata, trailers }: CallContext): void {
  for (const value of metadata.get(initialKey)) responseMetadata.add(initialKey, value);
  for (const value of metadata.get(trailingKey)) trailers.add(trailingKey, value);
}

function failAsAsked(status: EchoStatus | undefined): void {
  const code = codes[status?.code ?? 0];
  if (code !== undefined) throw new OrchestratorError(code, 'internal', status?.message ?? '');
}
