import { type Disposable, DisposableStore, toDisposable } from '../../base/disposable.ts';
import type { LiveContainers } from '../../core/liveOrchestrator.ts';

/** A connection takes a moment, and a restart of the engine some: what is that short is not worth a word. */
const patienceMs = 5_000;

/** Says above the tree when its containers are shown from memory, because no engine answers. */
export class EngineNotice implements Disposable {
  private readonly containers: LiveContainers;
  private readonly draw: (message: string) => void;
  private shown = '';
  private readonly resources = new DisposableStore();
  private timer: NodeJS.Timeout | undefined;

  constructor(containers: LiveContainers, draw: (message: string) => void) {
    this.containers = containers;
    this.draw = draw;
    this.resources.add(containers.onDidChangeEngine(() => this.update()));
    this.resources.add(
      toDisposable(() => {
        clearTimeout(this.timer);
        this.show('');
      }),
    );
    this.update();
  }

  /** After the engine or the list of containers has changed. */
  update(): void {
    const { containers } = this;
    if (containers.engine !== undefined || containers.list().length === 0) {
      clearTimeout(this.timer);
      this.timer = undefined;
      this.show('');
      return;
    }
    this.timer ??= setTimeout(() => {
      this.show('The container engine does not answer. Containers are shown as they were last seen.');
    }, patienceMs);
  }

  /** VS Code takes each message for a change of the tree, and draws nothing while such changes come without a pause. */
  private show(message: string): void {
    if (message === this.shown) return;
    this.shown = message;
    this.draw(message);
  }

  dispose(): void {
    this.resources.dispose();
  }
}
