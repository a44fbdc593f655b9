import type { Clock } from '../../base/clock.ts';
import type { Disposable } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import { LinkedAbort } from '../../base/linkedAbort.ts';
import type { ModelProvider } from '../../core/models/modelProvider.ts';

/** What one answer may weigh on the wire, in bytes: a line without end would fill the memory of who parses it. */
const maxAnswerBytes = 64 * 1024 * 1024;
/** Where the libraries put a key. */
const keyHeaders = ['authorization', 'x-api-key'];

export interface ModelFetchOptions {
  readonly provider: Pick<ModelProvider, 'title' | 'baseUrl' | 'idleTimeoutMs'>;
  readonly hasKey: boolean;
  readonly clock: Clock;
  readonly fetch?: typeof globalThis.fetch | undefined;
}

/**
 * The way to one provider and to nobody else: it follows no redirect, gives up where no byte comes for the provider's
 * limit, from the request's first moment on, and bounds what an answer weighs.
 */
export function modelFetch(options: ModelFetchOptions): typeof globalThis.fetch {
  const { provider, hasKey, clock, fetch = globalThis.fetch } = options;
  const base = new URL(provider.baseUrl);
  return async (input, init = {}) => {
    const url = new URL(input instanceof Request ? input.url : input);
    if (url.origin !== base.origin) {
      throw new OrchestratorError(
        'INTERNAL',
        'internal',
        `A request for ${provider.title} was about to go to ${url.host}.`,
      );
    }
    const headers = new Headers(init.headers);
    // A library must have something to put there, and takes it from the environment where it has nothing.
    if (!hasKey) for (const name of keyHeaders) headers.delete(name);
    const watch = new IdleWatch(provider, clock, init.signal instanceof AbortSignal ? [init.signal] : []);
    const { signal } = watch;
    try {
      const response = await fetch(url, { ...init, headers, signal, redirect: 'manual' });
      if (response.status >= 300 && response.status < 400) {
        watch.dispose();
        await response.body?.cancel();
        throw new OrchestratorError(
          'FAILED_PRECONDITION',
          'model_rejected',
          `${provider.title} answers at another address (HTTP ${response.status}). Set its "baseUrl" to that one.`,
        );
      }
      return watched(response, watch, provider.title);
    } catch (error) {
      watch.dispose();
      throw error;
    }
  };
}

function watched(response: Response, watch: IdleWatch, title: string): Response {
  if (response.body === null) {
    watch.dispose();
    return response;
  }
  let bytes = 0;
  const body = response.body.pipeThrough(
    new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(chunk, controller) {
        watch.touch();
        bytes += chunk.byteLength;
        if (bytes > maxAnswerBytes) {
          const limit = `${maxAnswerBytes / 2 ** 20} MiB`;
          controller.error(
            new OrchestratorError(
              'RESOURCE_EXHAUSTED',
              'output_limit',
              `An answer of ${title} is over ${limit}.`,
            ),
          );
          return;
        }
        controller.enqueue(chunk);
      },
      flush: () => {
        watch.dispose();
      },
    }),
  );
  const { status, statusText, headers } = response;
  return new Response(body, { status, statusText, headers });
}

/** Aborts with its sources, and what has been still for too long. */
class IdleWatch implements Disposable {
  private readonly controller: LinkedAbort;
  private readonly provider: ModelFetchOptions['provider'];
  private readonly clock: Clock;
  private timer: Disposable;
  private touchedMs: number;

  constructor(provider: ModelFetchOptions['provider'], clock: Clock, sources: readonly AbortSignal[]) {
    this.controller = new LinkedAbort(...sources);
    this.provider = provider;
    this.clock = clock;
    this.touchedMs = clock.now();
    this.timer = this.wait(provider.idleTimeoutMs);
    this.signal.addEventListener('abort', () => {
      this.dispose();
    });
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  touch(): void {
    this.touchedMs = this.clock.now();
  }

  dispose(): void {
    this.controller.dispose();
    this.timer.dispose();
  }

  /** One timer for many bytes: it looks when it is due, and waits for the rest. */
  private wait(delayMs: number): Disposable {
    return this.clock.setTimer(delayMs, () => {
      const { idleTimeoutMs, title } = this.provider;
      const leftMs = this.touchedMs + idleTimeoutMs - this.clock.now();
      if (leftMs > 0) {
        this.timer = this.wait(leftMs);
        return;
      }
      const message = `${title} has sent nothing for ${idleTimeoutMs / 1_000} s.`;
      this.controller.abort(new OrchestratorError('UNAVAILABLE', 'model_unavailable', message));
    });
  }
}
