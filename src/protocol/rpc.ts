import type { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';

/**
 * What the generated code under gen/ says of a service, as types that servers and clients of any transport share.
 * Names of fields are camelCase; 64-bit integers are bigint, but for those that are told to be plain numbers.
 */

export interface MessageType<T> {
  encode(message: T, writer?: BinaryWriter): BinaryWriter;
  decode(input: BinaryReader | Uint8Array, length?: number): T;
}

export interface RpcMethod<I = unknown, O = unknown> {
  readonly name: string;
  readonly requestType: MessageType<I>;
  readonly requestStream: boolean;
  readonly responseType: MessageType<O>;
  readonly responseStream: boolean;
}

export interface RpcService {
  readonly name: string;
  /** With its package: `orchestrator.v1.OrchestratorService`. */
  readonly fullName: string;
  readonly methods: Readonly<Record<string, RpcMethod>>;
}

export type RequestOf<M> = M extends { readonly requestType: MessageType<infer I> } ? I : never;
export type ResponseOf<M> = M extends { readonly responseType: MessageType<infer O> } ? O : never;
