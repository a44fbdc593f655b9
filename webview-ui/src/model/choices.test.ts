import { describe, expect, it } from 'vitest';
import type { EngineOption, ToolProviderOption } from '../../../src/protocol/runOptions.ts';
import {
  allTools,
  constraintsOf,
  providerState,
  chosenEngine,
  movedChoices,
  offeredEngines,
  requestChoices,
  taskProblem,
  toolScope,
  withTools,
} from './choices.ts';

const tool = (name: string): ToolProviderOption['tools'][number] => ({ name, description: '' });
const provider = (id: string, names: string[], isAuthorized = true): ToolProviderOption => ({
  provider: id,
  displayName: id.toUpperCase(),
  isAuthorized,
  isConfigured: true,
  tools: names.map(tool),
});
const providers = [
  provider('gmail', ['gmail_send_email', 'gmail_search']),
  provider('slack', ['slack_post_message']),
  provider('jira', ['jira_find'], false),
];
const shell: EngineOption = {
  id: 'shell',
  title: 'Shell',
  description: '',
  takesSentence: false,
  uses: ['limits'],
};
const model: EngineOption = {
  id: 'model',
  title: 'Model',
  description: '',
  takesSentence: true,
  uses: ['model', 'limits', 'tools', 'code'],
};

describe('what a person may send', () => {
  it('wants a sentence of five characters, and lets a command be as short as it is', () => {
    expect(taskProblem('ls', shell, allTools, [])).toBeUndefined();
    expect(taskProblem(' \n', shell, allTools, [])).toMatchObject({ field: 'task' });
    expect(taskProblem('help', model, allTools, providers)).toMatchObject({ field: 'task' });
    expect(taskProblem('  help  ', model, allTools, providers)).toMatchObject({ field: 'task' });
    expect(taskProblem('helps', model, allTools, providers)).toBeUndefined();
    expect(taskProblem('x'.repeat(100_001), shell, allTools, [])).toMatchObject({ field: 'task' });
  });

  it('wants a tool that can be called where tools are chosen', () => {
    const chosen = withTools(allTools, ['jira_find'], true);
    expect(taskProblem('find it', model, chosen, providers)).toMatchObject({ field: 'tools' });
    expect(
      taskProblem('find it', model, withTools(chosen, ['gmail_search'], true), providers),
    ).toBeUndefined();
    expect(taskProblem('find it', shell, chosen, providers)).toBeUndefined();
  });

  it('sends the constraints of the contract: whole providers by name, else every tool', () => {
    expect(constraintsOf(allTools, providers)).toEqual({ mode: 'auto', providers: null, tools: null });
    const whole = withTools(allTools, ['gmail_send_email', 'gmail_search'], true);
    expect(constraintsOf(whole, providers)).toEqual({ mode: 'custom', providers: ['gmail'], tools: null });
    const part = withTools(withTools(whole, ['gmail_search'], false), ['slack_post_message'], true);
    expect(constraintsOf(part, providers)).toEqual({
      mode: 'custom',
      providers: ['gmail', 'slack'],
      tools: ['gmail_send_email', 'slack_post_message'],
    });
    expect(providers.map((one) => providerState(one, part))).toEqual(['some', 'all', 'none']);
  });

  it('shows the scope as badges', () => {
    expect(toolScope(allTools, providers)).toBe('GMAIL · SLACK · 3 tools');
    expect(toolScope(withTools(allTools, ['gmail_search'], true), providers)).toBe('GMAIL · 1 tool');
    expect(toolScope(allTools, [])).toBe('No tools');
  });

  it('offers what a backend takes by itself, and what is missing only here', () => {
    const engines = [shell, { ...model, problem: 'No model is set up yet.' }];
    expect(offeredEngines({ engines }, undefined)).toBe(engines);
    expect(offeredEngines({ engines }, 'local')).toBe(engines);
    const there = offeredEngines({ engines }, 'Lab');
    expect(there.map(({ id, problem }) => [id, problem])).toEqual([
      ['backend', undefined],
      ['shell', undefined],
      ['model', undefined],
    ]);
    const moved = movedChoices({ engine: 'shell' }, { engine: 'shell', backend: 'Lab' });
    expect(moved).toEqual({ engine: 'backend', backend: 'Lab' });
    expect(movedChoices(moved, { engine: 'backend' })).toEqual({ engine: undefined });
    const chosen = chosenEngine(there, [moved.engine]) ?? expect.unreachable();
    expect(requestChoices(chosen, { backend: 'Lab' }, allTools, providers)).toEqual({
      backend: 'Lab',
      tools: { mode: 'auto', providers: null, tools: null },
    });
  });

  it('leaves out what means nothing to the engine', () => {
    const overrides = { model: 'm', provider: 'p', maxSteps: 5, timeoutMinutes: 2, codeExecution: true };
    expect(requestChoices(shell, overrides, allTools, providers)).toEqual({
      engine: 'shell',
      timeoutMinutes: 2,
    });
    expect(requestChoices(model, overrides, allTools, providers)).toEqual({
      engine: 'model',
      ...overrides,
      tools: { mode: 'auto', providers: null, tools: null },
    });
  });
});
