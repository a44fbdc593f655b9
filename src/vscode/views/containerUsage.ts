import { type Disposable, DisposableMap, toDisposable } from '../../base/disposable.ts';
import { Emitter } from '../../base/emitter.ts';
import type { Logger } from '../../base/logger.ts';
import type { Container } from '../../core/containers/container.ts';
import type { ContainerManager } from '../../core/containers/containerManager.ts';
import type { ResourceUsage } from '../../core/resources.ts';

export interface ContainerUsageOptions {
  readonly containers: Pick<ContainerManager, 'list' | 'watchUsage' | 'engine'>;
  readonly logger: Logger;
  /** Somebody looks: only then anything is measured. */
  readonly isWatched: () => boolean;
}

/** How often the figures that are shown change: faster is restless, and closes a tooltip that is being read. */
const showIntervalMs = 3_000;
/** How often it is looked at whether somebody looks. */
const lookIntervalMs = 1_000;

/** What containers use, of those that run while their rows are on the screen. */
export class ContainerUsage implements Disposable {
  private readonly options: ContainerUsageOptions;
  private readonly changed = new Emitter<void>();
  private readonly watches = new DisposableMap<string, Disposable>();
  private readonly measured = new Map<string, ResourceUsage>();
  private readonly timers: readonly NodeJS.Timeout[];
  private _shown: ReadonlyMap<string, ResourceUsage> = new Map();
  private isDisposed = false;

  /** What is shown is another than before. */
  readonly onDidChange = this.changed.event;

  constructor(options: ContainerUsageOptions) {
    this.options = options;
    this.timers = [
      setInterval(() => this.look(), lookIntervalMs),
      setInterval(() => this.show(), showIntervalMs),
    ];
  }

  /** By container id: figures for the rows, which change every few seconds. */
  get shown(): ReadonlyMap<string, ResourceUsage> {
    return this._shown;
  }

  /** The newest figure there is. */
  latest(id: string): ResourceUsage | undefined {
    return this.measured.get(id);
  }

  /** Begins and ends to measure, as somebody looks or no longer looks, and as containers start and end. */
  look(): void {
    const wanted = new Set(this.wanted().map(({ id }) => id));
    for (const id of [...this.watches.keys()]) {
      if (wanted.has(id)) continue;
      this.watches.delete(id);
      this.measured.delete(id);
    }
    for (const id of wanted) if (!this.watches.has(id)) this.watch(id);
  }

  dispose(): void {
    this.isDisposed = true;
    for (const timer of this.timers) clearInterval(timer);
    this.watches.dispose();
    this.changed.dispose();
  }

  private wanted(): readonly Container[] {
    const { containers, isWatched } = this.options;
    // Whoever only looks starts no search for an engine.
    if (!isWatched() || containers.engine === undefined) return [];
    return containers.list({ state: 'running' });
  }

  private watch(id: string): void {
    let stop: Disposable | undefined;
    let isOver = false;
    const watch = toDisposable(() => {
      isOver = true;
      stop?.dispose();
    });
    this.watches.set(id, watch);
    this.options.containers
      .watchUsage(id, (usage) => {
        if (isOver) return;
        const isFirst = !this.measured.has(id);
        this.measured.set(id, usage);
        if (isFirst) this.show();
      })
      .then(
        (watching) => {
          stop = watching;
          if (isOver) watching.dispose();
        },
        (error: unknown) => {
          // It has ended, or the engine is gone: the next look tries again where it still runs.
          this.options.logger.debug('what a container uses is not known', error);
          if (this.watches.get(id) === watch) this.watches.delete(id);
        },
      );
  }

  private show(): void {
    if (this.isDisposed) return;
    const running = new Set(this.wanted().map(({ id }) => id));
    const isSame =
      this._shown.size === this.measured.size &&
      [...this.measured].every(([id, usage]) => this._shown.get(id) === usage);
    // What is out of sight keeps its last figures: nothing is drawn for nobody.
    if (isSame || running.size === 0) return;
    this._shown = new Map(this.measured);
    this.changed.fire();
  }
}
