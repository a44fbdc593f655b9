import { localBackend, shortestSentence } from '../../../src/protocol/runOptions.ts';
import type {
  EngineOption,
  RunChoices,
  RunOptions,
  ToolProviderOption,
} from '../../../src/protocol/runOptions.ts';
import { plural } from './format.ts';

/** What a person has chosen in the task box, and what of it goes into a request. */

/** Which tools a run may use: all that can be called, or those that are named. */
export interface ToolSelection {
  readonly mode: 'auto' | 'custom';
  /** Names, with the mode `custom`. */
  readonly tools: readonly string[];
}

export const allTools: ToolSelection = { mode: 'auto', tools: [] };

const maxTaskChars = 100_000;

export interface TaskProblem {
  readonly message: string;
  readonly field: 'task' | 'tools';
}

/** What is wrong with a task before anybody is asked; undefined where nothing is. */
export function taskProblem(
  task: string,
  engine: EngineOption | undefined,
  selection: ToolSelection,
  providers: readonly ToolProviderOption[],
): TaskProblem | undefined {
  const text = task.trim();
  const isSentence = engine?.takesSentence === true;
  if (text === '') {
    const message = isSentence
      ? 'Write a task first: what is to be done.'
      : 'Write a task first: commands, one a line.';
    return { field: 'task', message };
  }
  if (isSentence && text.length < shortestSentence)
    return { field: 'task', message: `Say a little more: at least ${shortestSentence} characters.` };
  if (task.length > maxTaskChars)
    return { field: 'task', message: 'The task is too long: at most 100,000 characters.' };
  if (engine?.uses.includes('tools') === true && selection.mode === 'custom') {
    const callable = selectedTools(selection, providers);
    if (callable.length === 0) {
      const message =
        'None of the chosen tools can be called. Choose one, connect its provider, or use all tools.';
      return { field: 'tools', message };
    }
  }
  return undefined;
}

/** Of those that are chosen, the ones that can be called. */
export function selectedTools(
  { mode, tools }: ToolSelection,
  providers: readonly ToolProviderOption[],
): { readonly provider: string; readonly name: string }[] {
  return providers
    .filter(({ isAuthorized }) => isAuthorized)
    .flatMap(({ provider, tools: offered }) =>
      offered
        .filter(({ name }) => mode === 'auto' || tools.includes(name))
        .map(({ name }) => ({ provider, name })),
    );
}

/** "Gmail · Slack · 3 tools". */
export function toolScope(selection: ToolSelection, providers: readonly ToolProviderOption[]): string {
  const chosen = selectedTools(selection, providers);
  if (chosen.length === 0) return selection.mode === 'auto' ? 'No tools' : 'None chosen';
  const names = providers
    .filter(({ provider }) => chosen.some((tool) => tool.provider === provider))
    .map(({ displayName }) => displayName);
  const shown = names.length > 3 ? [...names.slice(0, 2), `${names.length - 2} more`] : names;
  return [...shown, plural(chosen.length, 'tool')].join(' · ');
}

export function providerState(
  { tools }: ToolProviderOption,
  selection: ToolSelection,
): 'all' | 'some' | 'none' {
  const chosen = tools.filter(({ name }) => selection.tools.includes(name)).length;
  return chosen === 0 ? 'none' : chosen === tools.length ? 'all' : 'some';
}

export function withTools(selection: ToolSelection, names: readonly string[], isOn: boolean): ToolSelection {
  const rest = selection.tools.filter((name) => !names.includes(name));
  return { mode: 'custom', tools: isOn ? [...rest, ...names] : rest };
}

/** The constraints of contract 004: providers of what is chosen, and the tools by name where not all of them are. */
export function constraintsOf(
  selection: ToolSelection,
  providers: readonly ToolProviderOption[],
): RunChoices['tools'] {
  if (selection.mode === 'auto') return { mode: 'auto', providers: null, tools: null };
  const touched = providers.filter((provider) => providerState(provider, selection) !== 'none');
  const isWhole = touched.every((provider) => providerState(provider, selection) === 'all');
  const names = touched.flatMap(({ tools }) =>
    tools.map(({ name }) => name).filter((name) => selection.tools.includes(name)),
  );
  return {
    mode: 'custom',
    providers: touched.map(({ provider }) => provider),
    tools: isWhole ? null : names,
  };
}

/** On a backend: whichever it takes by itself. Others' servers know no engines of ours. */
export const backendsOwnEngine: EngineOption = {
  id: 'backend',
  title: "Backend's own",
  description: 'What the backend takes by itself',
  takesSentence: true,
  uses: ['model', 'limits', 'tools', 'code'],
};

/** The engines to choose from, here or on a backend; what is missing here may well be there. */
export function offeredEngines(
  { engines }: Pick<RunOptions, 'engines'>,
  backend: string = localBackend,
): readonly EngineOption[] {
  if (backend === localBackend) return engines;
  return [backendsOwnEngine, ...engines.map((engine) => ({ ...engine, problem: undefined }))];
}

/** After a change: another backend has other engines, and its own is taken until one is chosen. */
export function movedChoices(before: RunChoices = {}, after: RunChoices): RunChoices {
  if (before.backend === after.backend) return after;
  return { ...after, engine: after.backend === undefined ? undefined : backendsOwnEngine.id };
}

/** The engine that the box shows: the one that was chosen, that of the run above it, or the first. */
export function chosenEngine(
  engines: readonly EngineOption[],
  wanted: readonly (string | undefined)[],
): EngineOption | undefined {
  for (const id of wanted) {
    const found = engines.find((engine) => engine.id === id);
    if (found !== undefined) return found;
  }
  return engines[0];
}

/** Only what means something to the engine: what was chosen for another one stays in the box and out of the request. */
export function requestChoices(
  engine: EngineOption,
  overrides: RunChoices,
  selection: ToolSelection,
  providers: readonly ToolProviderOption[],
): RunChoices {
  const { uses } = engine;
  const { provider, model, reasoningEffort, maxSteps, maxTokens, maxCostUsd, reflects } = overrides;
  const { timeoutMinutes, codeExecution, backend } = overrides;
  const chosen: RunChoices = {
    engine: engine.id === backendsOwnEngine.id ? undefined : engine.id,
    backend,
    ...(uses.includes('limits') ? { timeoutMinutes } : {}),
    ...(uses.includes('model')
      ? { provider, model, reasoningEffort, maxSteps, maxTokens, maxCostUsd, reflects }
      : {}),
    ...(uses.includes('code') ? { codeExecution } : {}),
    ...(uses.includes('tools') ? { tools: constraintsOf(selection, providers) } : {}),
  };
  return Object.fromEntries(Object.entries(chosen).filter(([, value]) => value !== undefined));
}
