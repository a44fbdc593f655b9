import type { AnswerFrame, StreamFrame } from '../../protocol/daemon/frames.ts';
import type { DaemonRequest } from '../../protocol/daemon/requests.ts';
import type { Caller } from '../access/caller.ts';

/**
 * One client that has shown its token, as the daemon's logic knows it; sockets, encodings, limits and authentication
 * are behind it (`socket/`), what requests mean is in front of it (`clientSession.ts`).
 */
export interface ClientLink {
  readonly caller: Caller;
  /** Goes out at once, in the order of the calls and with the stream. `seq` is added by whoever calls. */
  answer(frame: AnswerFrame & { readonly seq: number }): void;
  /**
   * Frames of the stream. The same batch is the same object for all clients, so that it is encoded once for all.
   * @returns false for enough: nothing more until `ClientHandler.drained`.
   */
  deliver(batch: FrameBatch): boolean;
  /** Ends the connection with one of `closeCode`. Nothing is sent after it. */
  close(code: number, reason: string): void;
}

/** The frames of the stream that belong together: those of one or more events, in their order. */
export interface FrameBatch {
  readonly frames: readonly StreamFrame[];
}

/** What the daemon's logic does for one client. */
export interface ClientHandler {
  /** A request of its, which has the right shape. Never throws: what fails is answered. */
  handle(request: DaemonRequest): void;
  /** The client takes frames again. */
  drained(): void;
  /** The client is gone. */
  dispose(): void;
}

/** Called for each client once it has shown its token. */
export type AcceptClient = (link: ClientLink) => ClientHandler;
