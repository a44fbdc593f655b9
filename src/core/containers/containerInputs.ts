import { type Disposable, DisposableMap } from '../../base/disposable.ts';
import type { CoreContext } from '../context.ts';
import type { EngineInput } from '../ports/containerEngine.ts';
import { containerParts } from './containerContext.ts';

/** Connections to the standard input of containers: made with the first write, one a container. */
export class ContainerInputs implements Disposable {
  private readonly context: CoreContext;
  private readonly inputs = new DisposableMap<string, EngineInput>();
  private readonly opening = new Map<string, Promise<EngineInput>>();
  private readonly subscription: Disposable;

  constructor(context: CoreContext) {
    this.context = context;
    this.subscription = context.log.onDidAppend(({ type, containerId }) => {
      // The next start has an input of its own.
      if (type === 'container.stopped' && containerId !== undefined) this.inputs.delete(containerId);
    });
  }

  async write(id: string, data: Uint8Array): Promise<void> {
    const input = this.inputs.get(id) ?? (await this.open(id));
    try {
      await input.write(data);
    } catch (error) {
      if (this.inputs.get(id) === input) this.inputs.delete(id);
      throw error;
    }
  }

  dispose(): void {
    this.subscription.dispose();
    this.inputs.dispose();
  }

  private open(id: string): Promise<EngineInput> {
    let opening = this.opening.get(id);
    if (opening === undefined) {
      opening = containerParts(this.context)
        .engine.openInput(id)
        .then((input) => this.inputs.set(id, input))
        .finally(() => this.opening.delete(id));
      this.opening.set(id, opening);
    }
    return opening;
  }
}
