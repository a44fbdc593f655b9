import { Metadata, status as grpcStatus } from '@grpc/grpc-js';
import { type ErrorCode, OrchestratorError } from '../../base/errors.ts';
import type { Any } from '../../protocol/gen/google/protobuf/any.ts';
import { ErrorInfo } from '../../protocol/gen/google/rpc/error_details.ts';
import { Status } from '../../protocol/gen/google/rpc/status.ts';

const statusOfCode: Readonly<Record<ErrorCode, grpcStatus>> = {
  CANCELLED: grpcStatus.CANCELLED,
  UNKNOWN: grpcStatus.UNKNOWN,
  INVALID_ARGUMENT: grpcStatus.INVALID_ARGUMENT,
  DEADLINE_EXCEEDED: grpcStatus.DEADLINE_EXCEEDED,
  NOT_FOUND: grpcStatus.NOT_FOUND,
  ALREADY_EXISTS: grpcStatus.ALREADY_EXISTS,
  PERMISSION_DENIED: grpcStatus.PERMISSION_DENIED,
  RESOURCE_EXHAUSTED: grpcStatus.RESOURCE_EXHAUSTED,
  FAILED_PRECONDITION: grpcStatus.FAILED_PRECONDITION,
  ABORTED: grpcStatus.ABORTED,
  OUT_OF_RANGE: grpcStatus.OUT_OF_RANGE,
  UNIMPLEMENTED: grpcStatus.UNIMPLEMENTED,
  INTERNAL: grpcStatus.INTERNAL,
  UNAVAILABLE: grpcStatus.UNAVAILABLE,
  DATA_LOSS: grpcStatus.DATA_LOSS,
  UNAUTHENTICATED: grpcStatus.UNAUTHENTICATED,
};

/** Domain of our reasons in google.rpc.ErrorInfo. */
const domain = 'orchestrator';
/** The reason as plain text, for clients that do not read google.rpc messages. */
const reasonKey = 'orchestrator-reason';
const detailsKey = 'grpc-status-details-bin';
/** HTTP/2 peers take some 8 KiB of headers; a message that needs more is cut. */
const longestMessage = 2_000;

/** How grpc-js takes an error. */
export interface RpcFailure {
  readonly code: grpcStatus;
  readonly details: string;
  readonly metadata: Metadata;
}

/**
 * The status of an error: our code as gRPC's, our message as its text, and our reason both as metadata
 * (`orchestrator-reason: run_not_found`) and as google.rpc.ErrorInfo (`RUN_NOT_FOUND`).
 * @param trailers what the handler wants to say besides
 */
export function rpcFailure(error: unknown, trailers?: Metadata): RpcFailure {
  const known = OrchestratorError.from(error);
  const code = statusOfCode[known.code];
  // grpc-js encodes the text for its header, which fails on half a surrogate pair.
  const message = known.message.slice(0, longestMessage).toWellFormed();
  const metadata = trailers?.clone() ?? new Metadata();
  metadata.set(reasonKey, known.reason);
  metadata.set(detailsKey, Buffer.from(encodeStatus(code, message, known)));
  return { code, details: message, metadata };
}

function encodeStatus(code: number, message: string, { reason, details }: OrchestratorError): Uint8Array {
  const info = ErrorInfo.encode({
    reason: reason.toUpperCase(),
    domain,
    metadata: Object.fromEntries(
      Object.entries(details ?? {}).flatMap(([key, value]) =>
        typeof value === 'string' || typeof value === 'number' ? [[key, String(value).slice(0, 200)]] : [],
      ),
    ),
  }).finish();
  const detail: Any = { typeUrl: 'type.googleapis.com/google.rpc.ErrorInfo', value: info };
  return Status.encode({ code, message, details: [detail] }).finish();
}
