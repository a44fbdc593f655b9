import type { Disposable } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import { connectionLost } from './errors.ts';
import type { DaemonFrame } from './frameCodec.ts';
import type { ClientSettings } from './options.ts';
import type { RequestType } from './requestFunction.ts';

/**
 * What may be sent again when the connection was lost before the answer: questions, what is the same the second time,
 * and what the daemon knows again by its `requestId`. A second `terminal_input` would be typed twice.
 */
const repeatable: ReadonlySet<RequestType> = new Set<RequestType>([
  'ping',
  'health_check',
  'daemon_status',
  'list_sessions',
  'session_status',
  'spawn_session',
  'execute_task',
  'stop_session',
  'subscribe',
  'unsubscribe',
  'list_runs',
  'run_status',
  'list_terminals',
  'terminal_resize',
]);

interface Pending {
  readonly type: RequestType;
  readonly message: object;
  readonly size: number;
  readonly timer: Disposable;
  /** On this connection. */
  isSent: boolean;
  /** On one that is gone. */
  wasSent: boolean;
  resolve(frame: DaemonFrame): void;
  reject(error: OrchestratorError): void;
  /** Resolves however it ends. */
  readonly ended: Promise<unknown>;
}

/** The requests that have no answer yet, in the order in which they were made. */
export class RequestLedger {
  private readonly settings: ClientSettings;
  private readonly pending = new Map<string, Pending>();
  private waiting = 0;
  private waitingSize = 0;

  constructor(settings: ClientSettings) {
    this.settings = settings;
  }

  /**
   * Notes a request that is still to be sent (`sendWaiting`), and resolves with its answer.
   * Errors: `queue_full`, `request_timeout`, and those it is rejected with.
   */
  add(requestId: string, type: RequestType, message: object): Promise<DaemonFrame> {
    const size = JSON.stringify(message).length;
    const { maxQueuedRequests, maxQueuedBytes, requestTimeoutMs, clock } = this.settings;
    if (this.waiting >= maxQueuedRequests || this.waitingSize + size > maxQueuedBytes) {
      return Promise.reject(
        new OrchestratorError(
          'RESOURCE_EXHAUSTED',
          'queue_full',
          `The queue is full: ${this.waiting} requests wait for the daemon to be back.`,
        ),
      );
    }
    let resolve!: Pending['resolve'];
    let reject!: Pending['reject'];
    const promise = new Promise<DaemonFrame>((...settle) => {
      [resolve, reject] = settle;
    });
    const timer = clock.setTimer(requestTimeoutMs, () => {
      this.take(requestId)?.reject(
        new OrchestratorError(
          'DEADLINE_EXCEEDED',
          'request_timeout',
          `The daemon did not answer "${type}" within ${requestTimeoutMs} ms.`,
        ),
      );
    });
    const ended = promise.catch(() => undefined);
    const state = { isSent: false, wasSent: false };
    this.pending.set(requestId, { type, message, size, timer, ...state, resolve, reject, ended });
    this.waiting += 1;
    this.waitingSize += size;
    return promise;
  }

  /** Sends what waits, in order. */
  sendWaiting(send: (message: object) => void): void {
    if (this.waiting === 0) return;
    for (const request of this.pending.values()) this.send(request, send);
  }

  /** Sends one request, whatever else waits. */
  sendOne(requestId: string, send: (message: object) => void): void {
    const request = this.pending.get(requestId);
    if (request !== undefined) this.send(request, send);
  }

  /** Sends those of a type again that went out on a connection that is gone, and resolves when all have ended. */
  async sendAgain(type: RequestType, send: (message: object) => void): Promise<void> {
    const ends: Promise<unknown>[] = [];
    for (const request of this.pending.values()) {
      if (request.type !== type || !request.wasSent) continue;
      ends.push(request.ended);
      this.send(request, send);
    }
    await Promise.all(ends);
  }

  /** Takes a request out of the ledger, to be resolved or rejected. */
  take(requestId: string): Pick<Pending, 'type' | 'resolve' | 'reject'> | undefined {
    const request = this.pending.get(requestId);
    if (request === undefined) return undefined;
    this.pending.delete(requestId);
    request.timer.dispose();
    if (!request.isSent) {
      this.waiting -= 1;
      this.waitingSize -= request.size;
    }
    return request;
  }

  /** What was sent and may be sent again waits from now on; the rest of it fails. */
  connectionLost(): void {
    for (const [requestId, request] of [...this.pending]) {
      if (!request.isSent) continue;
      if (repeatable.has(request.type)) {
        request.isSent = false;
        request.wasSent = true;
        this.waiting += 1;
        this.waitingSize += request.size;
      } else this.take(requestId)?.reject(connectionLost(request.type));
    }
  }

  rejectAll(error: OrchestratorError): void {
    for (const requestId of [...this.pending.keys()]) this.take(requestId)?.reject(error);
  }

  private send(request: Pending, send: (message: object) => void): void {
    if (request.isSent) return;
    send(request.message);
    request.isSent = true;
    this.waiting -= 1;
    this.waitingSize -= request.size;
  }
}
