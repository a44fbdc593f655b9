import type { Disposable } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { CoreContext } from '../context.ts';
import type { EngineInfo } from '../ports/containerEngine.ts';
import { isContainerLive } from './container.ts';
import { containerParts } from './containerContext.ts';
import type { ContainerKeeper } from './containerKeeper.ts';
import { installationLabel } from './containerLabels.ts';
import type { ContainerReconciler } from './containerReconciler.ts';
import type { EngineClaims } from './engineClaims.ts';

const firstRetryMs = 1_000;
/** What ended at the engine meanwhile is to be known, and cleaned up, soon after it is back. */
const lastRetryMs = 5_000;
/**
 * When everything is compared again after a new connection, and how often from then on. An engine goes on with what a
 * core had asked it for that has ended; and events get lost: Docker answers that it tells them before it listens to
 * them, and does not tell all of new networks and volumes.
 */
const soonMs = [250, 500, 1_000, 2_000, 4_000];
const steadyMs = 60_000;

/** What the engine tells of a container that is no change of it; of every command alone three times. */
const changesNothing =
  /^(create|attach|detach|resize|top|exec_\w+|copy|export|commit|archive-path|extract-to-dir)\b/;

/**
 * The connection to the engine. It is made when something is asked of it, or at start where something of ours may be
 * there. After each new connection everything is compared; events in between are only a reason to look.
 */
export class EngineConnection implements Disposable {
  private readonly context: CoreContext;
  private readonly keeper: ContainerKeeper;
  private readonly claims: EngineClaims;
  private readonly reconciler: ContainerReconciler;
  private connecting: Promise<EngineInfo> | undefined;
  private watching: Disposable | undefined;
  private retry: Disposable | undefined;
  private again: Disposable | undefined;
  private retryMs = firstRetryMs;
  private wasConnected = false;
  private isLossTold = false;
  private isDisposed = false;

  constructor(
    context: CoreContext,
    parts: {
      readonly keeper: ContainerKeeper;
      readonly claims: EngineClaims;
      readonly reconciler: ContainerReconciler;
    },
  ) {
    this.context = context;
    this.keeper = parts.keeper;
    this.claims = parts.claims;
    this.reconciler = parts.reconciler;
  }

  /** Connected, and everything of ours compared with it. Errors: `container_engine_missing` and those of the engine. */
  ready(): Promise<EngineInfo> {
    this.connecting ??= this.connect().catch((error: unknown) => {
      this.connecting = undefined;
      throw error;
    });
    return this.connecting;
  }

  /** Start-up: connects if something of ours may be at the engine. Does not wait for it. */
  resume(): void {
    const { state, containers } = this.context;
    if (containers === undefined || state.containers.size + state.engineClaims.size === 0) return;
    this.reconnect();
  }

  dispose(): void {
    this.isDisposed = true;
    this.retry?.dispose();
    this.again?.dispose();
    this.watching?.dispose();
  }

  private async connect(): Promise<EngineInfo> {
    const { engine, installationId } = containerParts(this.context);
    const info = engine.info ?? (await engine.probe());
    this.retry?.dispose();
    this.watching?.dispose();
    // Before anything is listed, so that no change falls between the answer and the listening.
    const watching = await engine.watch(`${installationLabel}=${installationId}`, {
      onEvent: ({ action, containerId }) => {
        if (action === 'oom') this.keeper.noteOutOfMemory(containerId);
        if (this.context.state.containers.has(containerId)) {
          if (!changesNothing.test(action)) this.keeper.refreshLater(containerId);
        } else if (action === 'create' && this.claims.inherited().length > 0) {
          this.reconcileAgain();
        }
      },
      onEnd: () => {
        if (this.watching === watching) this.lose();
      },
    });
    this.watching = watching;
    if (this.isDisposed) watching.dispose();
    await this.reconciler.reconcile();
    this.retryMs = firstRetryMs;
    this.wasConnected = true;
    this.isLossTold = false;
    this.lookAgain();
    return info;
  }

  private reconcileAgain(): void {
    this.reconciler.reconcile().catch((error: unknown) => {
      this.context.failures.report(error, 'compare our containers with those of the engine');
      // A new connection compares everything.
      if (this.watching !== undefined) this.lose();
    });
  }

  private lookAgain(turn = 0): void {
    this.again?.dispose();
    if (this.isDisposed) return;
    this.again = this.context.clock.setTimer(soonMs[turn] ?? steadyMs, () => {
      const { containers, engineClaims } = this.context.state;
      if (containers.size + engineClaims.size > 0) this.reconcileAgain();
      this.lookAgain(turn + 1);
    });
  }

  private lose(): void {
    const { watching } = this;
    this.watching = undefined;
    this.again?.dispose();
    watching?.dispose();
    this.connecting = undefined;
    if (this.isDisposed) return;
    this.keeper.loseEngine();
    this.reconnectLater();
  }

  private reconnect(): void {
    this.ready().catch((error: unknown) => {
      if (this.isDisposed) return;
      const failure = OrchestratorError.from(error);
      this.context.logger.debug('The container engine is not there', failure);
      if (failure.reason !== 'container_engine_missing' || this.mustTellLoss()) {
        this.context.failures.report(failure, 'compare our containers with those of the engine');
      }
      this.reconnectLater();
    });
  }

  /** Once for each time that it is gone; at start only where something of ours ran there. */
  private mustTellLoss(): boolean {
    const { containers } = this.context.state;
    const isMissed = this.wasConnected || [...containers.values()].some(isContainerLive);
    if (this.isLossTold || !isMissed) return false;
    this.isLossTold = true;
    return true;
  }

  private reconnectLater(): void {
    this.retry?.dispose();
    if (this.isDisposed) return;
    const { retryMs } = this;
    this.retryMs = Math.min(lastRetryMs, 2 * retryMs);
    this.retry = this.context.clock.setTimer(retryMs, () => this.reconnect());
  }
}
