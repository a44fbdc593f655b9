import { afterEach, beforeEach, expect, it } from 'vitest';
import { CoreHarness } from '../../../test/harness/core.ts';
import type { ModelPart, ModelPrompt } from '../models/languageModel.ts';
import type { Models, WindowModels } from '../ports/models.ts';
import type { Run } from './run.ts';

const models: Models = {
  providers: () => Promise.resolve([]),
  defaultModel: () => Promise.resolve(undefined),
  keyOf: () => Promise.resolve(undefined),
  open: () => expect.unreachable(),
  list: () => Promise.resolve([]),
};

let harness: CoreHarness;
beforeEach(() => (harness = new CoreHarness()));
afterEach(() => harness.dispose());

/** A window's model that says `hello`, and goes on for as long as it is not stopped where the task says `wait`. */
const windowModels: WindowModels = {
  open: (name) =>
    Promise.resolve({
      name: name ?? 'first',
      contextTokens: 8_000,
      async *answer({ messages }: ModelPrompt, signal: AbortSignal): AsyncGenerator<ModelPart> {
        yield { kind: 'text', text: 'hello' };
        if (JSON.stringify(messages).includes('wait')) {
          await new Promise((_, reject) =>
            signal.addEventListener('abort', () => reject(new Error('stopped'))),
          );
        }
        yield { kind: 'end', reason: 'stop', usage: undefined };
      },
    }),
};

const request = (task: string) => ({ task, engine: 'model', model: { provider: 'vscode' } });

it('a run with a model of the window says so, has no worker, and ends with the answer', async () => {
  const core = await harness.start({ models, windowModels });
  const { id } = await core.runs.start(request('greet'));
  const ended = await core.runs.waitForEnd(id);
  expect(ended).toMatchObject({
    status: 'succeeded',
    result: { steps: [{ info: { text: 'hello', provider: 'vscode', model: 'first' } }] },
  });
  const types = core.events.read({ after: 0, limit: 100, runId: id }).map(({ type }) => type);
  expect(types.slice(0, 3)).toEqual(['response.created', 'runner.window.bound', 'response.in_progress']);
  expect(core.runs.executor.workerCount).toBe(0);
  await core.close();
});

it('an abort ends it, and so does the end of its window', async () => {
  const core = await harness.start({ models, windowModels });
  const running = (id: string): Promise<Run> =>
    expect.poll(() => core.runs.get(id).status).toBe('running') as unknown as Promise<Run>;
  const first = await core.runs.start(request('wait'));
  await running(first.id);
  await core.runs.abort(first.id);
  expect((await core.runs.waitForEnd(first.id)).status).toBe('cancelled');
  const second = await core.runs.start(request('wait'));
  await running(second.id);
  await core.close();
  const next = await harness.start({ models, windowModels });
  expect(next.runs.get(second.id)).toMatchObject({ status: 'failed', error: { reason: 'closed' } });
  await next.close();
});

it('without a window there is no such provider', async () => {
  const core = await harness.start({ models });
  await expect(core.runs.start(request('greet'))).rejects.toMatchObject({ reason: 'model_not_found' });
  await core.close();
});
