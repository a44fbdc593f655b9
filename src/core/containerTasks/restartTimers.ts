import type { Clock } from '../../base/clock.ts';
import { type Disposable, DisposableMap } from '../../base/disposable.ts';
import type { ContainerTask } from './containerTask.ts';

/** Wakes tasks that wait for their next try. */
export class RestartTimers implements Disposable {
  private readonly clock: Clock;
  private readonly onDue: (taskId: string) => void;
  private readonly timers = new DisposableMap<string, Disposable>();

  constructor(clock: Clock, onDue: (taskId: string) => void) {
    this.clock = clock;
    this.onDue = onDue;
  }

  /** At its `nextStartAt`, or at once where that has passed. */
  schedule({ id, nextStartAt = 0 }: ContainerTask): void {
    const timer = this.clock.setTimer(Math.max(0, nextStartAt - this.clock.now()), () => {
      this.timers.delete(id);
      this.onDue(id);
    });
    this.timers.set(id, timer);
  }

  cancel(id: string): void {
    this.timers.delete(id);
  }

  dispose(): void {
    this.timers.dispose();
  }
}
