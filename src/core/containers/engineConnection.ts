import type { Disposable } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { CoreContext } from '../context.ts';
import type { EngineInfo } from '../ports/containerEngine.ts';
import { isContainerLive } from './container.ts';
import { containerParts } from './containerContext.ts';
import type { ContainerKeeper } from './containerKeeper.ts';
import { installationLabel } from './containerLabels.ts';
import type { ContainerReconciler } from './containerReconciler.ts';

const firstRetryMs = 1_000;
/** What ended at the engine meanwhile is to be known, and cleaned up, soon after it is back. */
const lastRetryMs = 5_000;
/** When it is looked once more for what the engine was still carrying out when its core ended. */
const lateLookMs = [250, 500, 1_000, 2_000, 4_000, 30_000];

/**
 * The connection to the engine. It is made when something is asked of it, or at start where something of ours may be
 * there. After each new connection everything is compared; events in between are only a reason to look.
 */
export class EngineConnection implements Disposable {
  private readonly context: CoreContext;
  private readonly keeper: ContainerKeeper;
  private readonly reconciler: ContainerReconciler;
  private connecting: Promise<EngineInfo> | undefined;
  private watching: Disposable | undefined;
  private retry: Disposable | undefined;
  private late: Disposable | undefined;
  private retryMs = firstRetryMs;
  private wasConnected = false;
  private isLossTold = false;
  private isDisposed = false;

  constructor(context: CoreContext, keeper: ContainerKeeper, reconciler: ContainerReconciler) {
    this.context = context;
    this.keeper = keeper;
    this.reconciler = reconciler;
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
    this.late?.dispose();
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
        if (isOfNoConsequence(action)) return;
        if (action === 'oom') this.keeper.noteOutOfMemory(containerId);
        if (this.context.state.containers.has(containerId)) this.keeper.refreshLater(containerId);
        else if (action === 'create' && this.reconciler.hasInheritedClaims()) this.reconcileAgain();
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
    this.lookForLate();
    return info;
  }

  /** The engine has just carried out what a former core had asked it for. */
  private reconcileAgain(): void {
    this.reconciler.reconcile().catch((error: unknown) => {
      this.context.failures.report(error, 'compare our containers with those of the engine');
      // A new connection compares everything.
      if (this.watching !== undefined) this.lose();
    });
  }

  /** Not every engine tells of new networks and volumes with their labels. */
  private lookForLate(turn = 0): void {
    const delayMs = lateLookMs[turn];
    this.late?.dispose();
    if (this.isDisposed || delayMs === undefined || !this.reconciler.hasInheritedClaims()) return;
    this.late = this.context.clock.setTimer(delayMs, () => {
      this.reconcileAgain();
      this.lookForLate(turn + 1);
    });
  }

  private lose(): void {
    const { watching } = this;
    this.watching = undefined;
    this.late?.dispose();
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

/** Commands in containers, also those that look after their health, several a second: none of them changes its state. */
function isOfNoConsequence(action: string): boolean {
  return /^(exec_|attach|resize|top|copy|export|archive-path|extract-to-dir)/.test(action);
}
