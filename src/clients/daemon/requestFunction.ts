import type { AnswerFrame } from '../../protocol/daemon/frames.ts';
import type { DaemonRequest } from '../../protocol/daemon/requests.ts';
import type { DaemonEventName, DaemonListener } from './clientEvents.ts';
import type { AnswerOf } from './frameCodec.ts';

/** What the parts of the client that live in files of their own get of it. */

export type RequestType = DaemonRequest['type'];
export type AnswerType = AnswerFrame['type'];
export type PayloadOf<T extends RequestType> =
  Extract<DaemonRequest, { type: T }> extends { payload?: infer P } ? P : undefined;

/** Makes a request of any type, and resolves with its answer of that type. */
export type RequestFunction = <T extends RequestType, A extends AnswerType>(
  type: T,
  answer: A,
  payload?: PayloadOf<T>,
) => Promise<AnswerOf<A>>;

export interface EventSource {
  on<E extends DaemonEventName>(event: E, listener: DaemonListener<E>): () => void;
}
