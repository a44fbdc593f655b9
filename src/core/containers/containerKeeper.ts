import { type Disposable, DisposableMap, DisposableStore } from '../../base/disposable.ts';
import { Emitter, type Event } from '../../base/emitter.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { CoreContext } from '../context.ts';
import type { EngineContainer } from '../ports/containerEngine.ts';
import { closedError } from '../waitFor.ts';
import { type Container, type ContainerExit, isContainerLive } from './container.ts';
import { ContainerCapture } from './containerCapture.ts';
import { removeContainer, updateContainer } from './containerChanges.ts';
import { containerParts, isElsewhere } from './containerContext.ts';

/** How long an ended container's output may stand still before it is taken for over. */
const drainStillMs = 2_000;
/** The engine may tell of the end of the output before it tells of the container's. */
const endPollMs = [20, 50, 100, 200, 400, 800];
const retryMs = 1_000;

/** By what we have done to it; `signalled` with a signal that a program may handle. */
type AskedEnd = 'stopped' | 'killed' | 'signalled';

/**
 * Keeps what the store says of each container equal to what the engine says, and its record equal to what it printed.
 * Whatever happens, an own call, an event, a new connection, comes down to looking at the container once more.
 */
export class ContainerKeeper implements Disposable {
  /** Something was recorded of the container of this id. */
  readonly onDidRecord: Event<string>;
  private readonly recorded: Emitter<string>;
  private readonly context: CoreContext;
  private readonly captures = new DisposableMap<string, ContainerCapture>();
  /** Their output is recorded to its last byte since they were last started. */
  private readonly drained = new Set<string>();
  private readonly outOfMemory = new Set<string>();
  private readonly asked = new Map<string, AskedEnd>();
  private readonly looks = new Map<string, { running: Promise<void>; queued?: Promise<void> }>();
  private readonly timers = new DisposableStore();
  private isDisposed = false;

  constructor(context: CoreContext) {
    this.context = context;
    this.recorded = new Emitter((error) => {
      context.logger.error('A listener of container output failed', error);
    });
    this.onDidRecord = this.recorded.event;
  }

  /** Looks at the container once more, after everything that happened until now. */
  refresh(id: string): Promise<void> {
    const look = this.looks.get(id);
    if (look?.queued !== undefined) return look.queued;
    if (look !== undefined) {
      look.queued = look.running.catch(() => undefined).then(() => this.look(id));
      // Whoever asked hears of the failure; the others must not end the process.
      look.queued.catch(() => undefined);
      return look.queued;
    }
    return this.look(id);
  }

  /** As `refresh`, for whom nobody waits: what fails is tried again as long as the engine answers. */
  refreshLater(id: string, delayMs = 0): void {
    if (this.isDisposed) return;
    const timer = this.context.clock.setTimer(delayMs, () => {
      this.timers.delete(timer);
      this.refresh(id).catch((error: unknown) => {
        if (this.isDisposed) return;
        const failure = OrchestratorError.from(error);
        // The connection that comes back looks at everything.
        if (failure.reason === 'container_engine_missing') return;
        this.context.failures.report(failure, 'look at a container');
        this.refreshLater(id, retryMs);
      });
    });
    this.timers.add(timer);
  }

  /** Listens to a container that is about to be started: nothing that it prints comes before. */
  async attach(container: Container): Promise<void> {
    const { id } = container;
    this.drained.delete(id);
    this.outOfMemory.delete(id);
    this.asked.delete(id);
    await this.capture(container, (capture) => capture.attach());
  }

  detach(id: string): void {
    this.captures.delete(id);
  }

  /** Whether what it prints is being recorded: then its end is heard of, too. */
  isHeard(id: string): boolean {
    return this.captures.has(id);
  }

  /** Its next end is by our doing. */
  expectEnd(id: string, reason: AskedEnd): void {
    this.asked.set(id, reason);
  }

  noteOutOfMemory(id: string): void {
    this.outOfMemory.add(id);
  }

  /** What was heard of until now need not be all: the engine is gone. */
  loseEngine(): void {
    for (const id of [...this.captures.keys()]) this.captures.delete(id);
    this.drained.clear();
  }

  /** It is not there any more. Its record goes with it. */
  forget(id: string): void {
    const { log, clock, state } = this.context;
    const container = state.containers.get(id);
    this.captures.delete(id);
    if (container !== undefined) {
      log.commit((tx) => {
        if (isContainerLive(container)) {
          const asked = this.asked.get(id);
          const reason = asked === 'stopped' || asked === 'killed' ? asked : 'lost';
          const exit: ContainerExit = { exitCode: null, reason, exitedAt: clock.now() };
          updateContainer(tx, container, { ...container, state: 'exited', exit, ports: [] });
        }
        removeContainer(tx, container);
      });
    }
    for (const notes of [this.drained, this.outOfMemory, this.asked]) notes.delete(id);
    containerParts(this.context).records.remove(id);
  }

  dispose(): void {
    this.isDisposed = true;
    this.captures.dispose();
    this.timers.dispose();
    this.recorded.dispose();
  }

  private look(id: string): Promise<void> {
    const running = this.lookNow(id).finally(() => {
      const look = this.looks.get(id);
      if (look?.queued === undefined) this.looks.delete(id);
      else this.looks.set(id, { running: look.queued });
    });
    this.looks.set(id, { running });
    return running;
  }

  private async lookNow(id: string): Promise<void> {
    const { engine } = containerParts(this.context);
    const container = this.context.state.containers.get(id);
    if (container === undefined || this.isDisposed || isElsewhere(this.context, container)) return;
    let seen = await engine.inspectContainer(id);
    // It is on its way out, and will be found gone: nothing to tell of it until then.
    if (seen?.state === 'removing') return;
    if (seen !== undefined && this.isEndUnderWay(container, seen))
      seen = await this.awaitEnd(container, seen);
    if (seen === undefined) {
      this.forget(id);
      return;
    }
    if (isContainerLive(seen) && !this.captures.has(id)) {
      this.drained.delete(id);
      await this.capture(container, (capture) => capture.resume());
    } else if (seen.state === 'exited') {
      await this.drain(container);
      // The end of a process may be told before why it was ended.
      if (seen.exitCode === 137 && !seen.isOutOfMemory && !this.asked.has(id)) {
        await this.wait(endPollMs[2]);
        seen = (await engine.inspectContainer(id)) ?? seen;
      }
    }
    this.store(id, seen);
    if (seen.state === 'exited' && container.config.removeOnStop) {
      await engine.removeContainer(id);
      this.forget(id);
    }
  }

  private store(id: string, seen: EngineContainer): void {
    // Closed meanwhile: the next core looks for itself.
    if (this.isDisposed) throw closedError();
    this.context.log.commit((tx) => {
      const before = tx.get('container', id);
      if (before === undefined) return;
      const { state, health, startedAt } = seen;
      // The engine gives them back at some moment after the end.
      const { ports, addresses } = state === 'exited' ? { ports: [], addresses: {} } : seen;
      const exit = this.exitOf(before, seen);
      const after = { ...before, state, health, startedAt, ports, addresses, exit };
      updateContainer(tx, before, after);
    });
  }

  private exitOf(before: Container, seen: EngineContainer): ContainerExit | undefined {
    const { id, state, exitCode = null, exitedAt, error } = seen;
    const { clock } = this.context;
    if (state === 'created' && error !== '') {
      return before.exit ?? { exitCode, reason: 'start_failed', exitedAt: clock.now(), error };
    }
    if (state !== 'exited') return undefined;
    const when = exitedAt ?? clock.now();
    if (before.exit?.exitedAt === when) return before.exit;
    // The engine says it, too, where a child of the program was killed and the program went on to a good end.
    const isOutOfMemory =
      (seen.isOutOfMemory && exitCode !== 0) || (this.outOfMemory.has(id) && exitCode === 137);
    const reason = isOutOfMemory ? 'out_of_memory' : this.reasonOf(id, exitCode);
    return { exitCode, reason, exitedAt: when, error: error === '' ? undefined : error };
  }

  private reasonOf(id: string, exitCode: number | null): ContainerExit['reason'] {
    const asked = this.asked.get(id);
    // A signal was sent, and the program has handled it: its end, then or later, is its own.
    return asked === undefined || (asked === 'signalled' && (exitCode ?? 0) <= 128)
      ? 'exited'
      : asked === 'signalled'
        ? 'killed'
        : asked;
  }

  /** Its output is over, and the engine has not said so of the container itself. */
  private isEndUnderWay(container: Container, seen: EngineContainer): boolean {
    return isContainerLive(seen) && this.drained.has(seen.id) && container.startedAt === seen.startedAt;
  }

  private async awaitEnd(container: Container, first: EngineContainer): Promise<EngineContainer | undefined> {
    const { engine } = containerParts(this.context);
    let seen: EngineContainer | undefined = first;
    for (const ms of endPollMs) {
      await this.wait(ms);
      seen = await engine.inspectContainer(container.id);
      if (seen === undefined || !this.isEndUnderWay(container, seen)) break;
    }
    return seen;
  }

  /** Until what the container printed is recorded; what does not come any more is not waited for. */
  private async drain(container: Container): Promise<void> {
    const { id } = container;
    if (this.drained.has(id) || container.exit !== undefined) return;
    if (!this.captures.has(id)) await this.capture(container, (capture) => capture.resume());
    const { records } = containerParts(this.context);
    const record = records.open(id);
    for (let end = -1; record.end !== end; ) {
      end = record.end;
      const capture = this.captures.get(id);
      if (capture === undefined) return;
      await Promise.race([capture.ended, this.wait(drainStillMs)]);
      if (!this.captures.has(id)) return;
    }
    this.context.logger.warn(`The output of the container "${container.name}" did not end; it is cut off`);
    this.captures.delete(id);
  }

  private async capture(
    container: Container,
    begin: (capture: ContainerCapture) => Promise<void>,
  ): Promise<void> {
    const { id } = container;
    const { engine, records } = containerParts(this.context);
    const capture: ContainerCapture = new ContainerCapture({
      engine,
      record: records.open(id),
      containerId: id,
      tty: container.config.tty,
      now: () => this.context.clock.now(),
      onRecorded: () => this.recorded.fire(id),
      onEnd: (error) => {
        if (this.captures.get(id) === capture) this.captures.take(id);
        if (error === undefined) this.drained.add(id);
        else this.context.logger.warn(`The output of the container "${container.name}" broke off`, error);
        this.refreshLater(id, error === undefined ? 0 : retryMs);
      },
    });
    this.captures.set(id, capture);
    try {
      await begin(capture);
    } catch (error) {
      if (this.captures.get(id) === capture) this.captures.delete(id);
      throw error;
    }
  }

  private wait(ms: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.context.clock.setTimer(ms ?? 0, () => {
        this.timers.delete(timer);
        resolve();
      });
      this.timers.add(timer);
    });
  }
}
