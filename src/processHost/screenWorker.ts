import { parentPort } from 'node:worker_threads';
import { type Screen, ScreenModel, type ScreenRequest } from './screenModel.ts';

/** The thread that draws screens. Models stay for a while, so that drawing the same terminal again parses only what is new. */
export interface ScreenWorkerRequest extends ScreenRequest {
  readonly request: number;
  readonly id: string;
}

export type ScreenWorkerAnswer =
  | { readonly request: number; readonly screen: Screen }
  | { readonly request: number; readonly error: string };

/** A model of 1,000 lines of 120 columns takes 2.6 MB. */
const maxModels = 16;
const idleMs = 60_000;

interface Cached {
  model: ScreenModel;
  idleTimer: NodeJS.Timeout;
}

/** In the order of their last use. */
const models = new Map<string, Cached>();

function drop(id: string): void {
  const cached = models.get(id);
  if (cached === undefined) return;
  clearTimeout(cached.idleTimer);
  cached.model.dispose();
  models.delete(id);
}

async function draw({ request, id, ...rest }: ScreenWorkerRequest): Promise<ScreenWorkerAnswer> {
  try {
    const known = models.get(id);
    if (known !== undefined && known.model.scrollback < rest.scrollback) drop(id);
    const model = models.get(id)?.model ?? new ScreenModel(rest.scrollback);
    const screen = await model.draw(rest);
    clearTimeout(models.get(id)?.idleTimer);
    models.delete(id);
    const idleTimer = setTimeout(() => {
      drop(id);
    }, idleMs).unref();
    models.set(id, { model, idleTimer });
    for (const oldest of models.keys()) {
      if (models.size <= maxModels) break;
      drop(oldest);
    }
    return { request, screen };
  } catch (error) {
    drop(id);
    return { request, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

// One after the other: a model must not be fed twice at once, and there is one thread anyway.
let queue = Promise.resolve();
parentPort?.on('message', (message: ScreenWorkerRequest) => {
  queue = queue.then(async () => {
    parentPort?.postMessage(await draw(message));
  });
});
