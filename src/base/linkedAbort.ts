import type { Disposable } from './disposable.ts';

/**
 * A signal that aborts with any of its sources, or by hand. Unlike `AbortSignal.any` it holds on to them: Node may
 * collect a signal in between that nobody else holds, and then nobody hears of the abort.
 */
export class LinkedAbort implements Disposable {
  private readonly controller = new AbortController();
  private readonly unlink = new AbortController();

  constructor(...sources: readonly AbortSignal[]) {
    for (const source of sources) {
      if (source.aborted) this.controller.abort(source.reason);
      const onAbort = (): void => {
        this.controller.abort(source.reason);
      };
      source.addEventListener('abort', onAbort, { once: true, signal: this.unlink.signal });
    }
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  abort(reason?: unknown): void {
    this.controller.abort(reason);
  }

  /** Lets go of the sources. */
  dispose(): void {
    this.unlink.abort();
  }
}
