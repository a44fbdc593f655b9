import type { Clock } from '../../base/clock.ts';
import type { Disposable } from '../../base/disposable.ts';
import {
  type CallbackResult,
  callbackNotification,
  invalidMessageNotification,
  resultOf,
} from '../../core/containerTasks/callback.ts';
import type { ParsedCallback } from '../../protocol/callback.ts';
import { EventGate } from './eventGate.ts';
import type { EmitTaskEvent } from './taskRunReport.ts';

/**
 * `taken`: it is journaled. `noted`: it waits for its turn, and a newer one may take its place. `ended`: the task has
 * ended, or has given its result already, and only the first one counts.
 */
export type CallbackVerdict = 'taken' | 'noted' | 'over_limit' | 'ended';

export type RefusalKind = 'unauthenticated' | 'invalid' | 'over_limit';

/** Between two reports of refusals: at first, and at most; it doubles, so that an endless flood fills no log. */
const firstRefusalMs = 1_000;
const lastRefusalMs = 300_000;

/** Makes run events of callbacks, at a rate that a log can hold, and knows when the task has said its last word. */
export class CallbackIntake implements Disposable {
  private readonly emit: EmitTaskEvent;
  private readonly clock: Clock;
  private readonly onResult: (result: CallbackResult) => void;
  private readonly gate: EventGate;
  private hasResult = false;
  private isFinished = false;
  private refused = { unauthenticated: 0, invalid: 0, over_limit: 0 };
  private refusalTimer: Disposable | undefined;
  private refusalMs = firstRefusalMs;

  /** @param onResult called once, when the result is journaled. */
  constructor(emit: EmitTaskEvent, clock: Clock, onResult: (result: CallbackResult) => void) {
    this.emit = emit;
    this.clock = clock;
    this.onResult = onResult;
    this.gate = new EventGate(clock);
  }

  async take(callback: ParsedCallback, bytes: number): Promise<CallbackVerdict> {
    const isResult = callback.eventType === 'task_result';
    if (this.isFinished || (isResult && this.hasResult)) return 'ended';
    const tell = async (replaced: number): Promise<void> => {
      await this.emit('container_task.callback', {
        ...callbackNotification(callback),
        event_type: callback.eventType,
        payload: callback.payload,
        timestamp: callback.timestamp ?? null,
        replaced,
      });
    };
    if (isResult) {
      this.hasResult = true;
      try {
        await this.gate.force({ tell, bytes, isReplaceable: false });
      } catch (error) {
        // What could not be journaled was not given.
        this.hasResult = false;
        throw error;
      }
      this.onResult(resultOf(callback.payload));
      return 'taken';
    }
    const isReplaceable = callback.eventType === 'status_update';
    const outcome = await this.gate.offer({ tell, bytes, isReplaceable });
    return outcome === 'told' ? 'taken' : outcome === 'waits' ? 'noted' : 'over_limit';
  }

  /** As the executable's logger tells it. @returns false where it tells too much. */
  async notify(data: Parameters<EmitTaskEvent<'container_task.notification'>>[1]): Promise<boolean> {
    if (this.isFinished) return false;
    const bytes = data.message.length;
    const tell = async (): Promise<void> => {
      await this.emit('container_task.notification', data);
    };
    return (await this.gate.offer({ tell, bytes, isReplaceable: false })) === 'told';
  }

  /** A message that nobody understands is told all the same, as the contract has it; the rest is only counted. */
  refuse(kind: RefusalKind): void {
    this.refused[kind] += 1;
    if (kind === 'invalid') this.notify(invalidMessageNotification).catch(() => undefined);
    this.refusalTimer ??= this.clock.setTimer(this.refusalMs, () => this.tellRefused());
  }

  /** Everything that was taken is told, and nothing more is taken: the run's last event stays its last. */
  async finish(): Promise<void> {
    this.isFinished = true;
    await this.gate.flush();
    this.tellRefused();
  }

  dispose(): void {
    this.gate.dispose();
    this.refusalTimer?.dispose();
  }

  private tellRefused(): void {
    this.refusalTimer?.dispose();
    this.refusalTimer = undefined;
    const refused = this.refused;
    if (refused.unauthenticated + refused.invalid + refused.over_limit === 0) return;
    this.refused = { unauthenticated: 0, invalid: 0, over_limit: 0 };
    this.refusalMs = Math.min(lastRefusalMs, this.refusalMs * 2);
    this.emit('container_task.refused', refused).catch(() => undefined);
  }
}
