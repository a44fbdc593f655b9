import { Metadata, type StatusObject } from '@grpc/grpc-js';
import { OrchestratorError } from '../../base/errors.ts';
import type { Principal } from '../../core/terminals/owners.ts';
import type { CallContext } from './rpcHandlers.ts';

/** The part of grpc-js's calls that all four kinds have. */
export interface RawCall {
  readonly metadata: Metadata;
  readonly cancelled: boolean;
  on(event: 'cancelled', listener: () => void): unknown;
  getDeadline(): number | Date;
  getPath(): string;
  sendMetadata(metadata: Metadata): void;
}

export type CallStatus = Pick<StatusObject, 'code' | 'details'> & { readonly metadata: Metadata | null };

/** Most unary calls are over before anything could abort them: what that takes is made only when asked for. */
export class ServerCall implements CallContext {
  readonly principal: Principal;
  private readonly raw: RawCall;
  private abortion: AbortController | undefined;
  private response: Metadata | undefined;
  private _trailers: Metadata | undefined;
  private isMetadataSent = false;

  constructor(raw: RawCall, principal: Principal) {
    this.raw = raw;
    this.principal = principal;
  }

  get path(): string {
    return this.raw.getPath();
  }

  get metadata(): Metadata {
    return this.raw.metadata;
  }

  get responseMetadata(): Metadata {
    this.response ??= new Metadata();
    return this.response;
  }

  get trailers(): Metadata {
    this._trailers ??= new Metadata();
    return this._trailers;
  }

  /** Undefined where the handler has set none. */
  get ownTrailers(): Metadata | undefined {
    return this._trailers;
  }

  get signal(): AbortSignal {
    if (this.abortion === undefined) {
      this.abortion = new AbortController();
      const onCancel = (): void => this.abort(this.cancellation());
      if (this.raw.cancelled) onCancel();
      else this.raw.on('cancelled', onCancel);
    }
    return this.abortion.signal;
  }

  abort(reason: OrchestratorError): void {
    this.abortion ??= new AbortController();
    this.abortion.abort(reason);
  }

  /** Sends the metadata in front of the first message, if the handler has set any or `isForced`. */
  sendMetadata(isForced: boolean): void {
    if (this.isMetadataSent || (this.response === undefined && !isForced)) return;
    this.isMetadataSent = true;
    this.raw.sendMetadata(this.responseMetadata);
  }

  private cancellation(): OrchestratorError {
    return Number(this.raw.getDeadline()) <= Date.now()
      ? new OrchestratorError('DEADLINE_EXCEEDED', 'aborted', 'The deadline of the call has passed.')
      : new OrchestratorError('CANCELLED', 'aborted', 'The client has given up the call.');
  }
}
