import type { Clock } from '../base/clock.ts';
import type { Disposable } from '../base/disposable.ts';
import { Emitter } from '../base/emitter.ts';
import { OrchestratorError, type ErrorReason } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';

const repeatAfterMs = 60_000;

/**
 * Where errors go that no caller waits for, e.g. a full disk while a run reports. Each is logged; a person is told of
 * one reason at most once a minute, because what fails in the background is tried again and fails again.
 */
export class Failures implements Disposable {
  private readonly emitter: Emitter<OrchestratorError>;
  private readonly toldAt = new Map<ErrorReason, number>();
  private readonly clock: Clock;
  private readonly logger: Logger;

  constructor(clock: Clock, logger: Logger) {
    this.clock = clock;
    this.logger = logger;
    this.emitter = new Emitter((error) => {
      logger.error('A listener of onDidFail failed', error);
    });
  }

  get onDidFail(): Emitter<OrchestratorError>['event'] {
    return this.emitter.event;
  }

  /** `doing` completes "Could not …" in the log. */
  report(error: unknown, doing: string): void {
    const failure = OrchestratorError.from(error);
    // A core that was closed has nothing to tell anybody: what it could not finish, the next one does.
    if (failure.reason === 'closed') return;
    this.logger.error(`Could not ${doing}: ${failure.message}`, failure);
    const last = this.toldAt.get(failure.reason);
    const now = this.clock.now();
    if (last !== undefined && now - last < repeatAfterMs) return;
    this.toldAt.set(failure.reason, now);
    this.emitter.fire(failure);
  }

  dispose(): void {
    this.emitter.dispose();
  }
}
