import { expect, it } from 'vitest';
import { checkModelRequest, checkPlainJson, checkToolConstraints } from './requestParts.ts';

it.each([
  [{ provider: '' }, /provider of the model/],
  [{ model: 'x'.repeat(201) }, /name of the model/],
  [{ model: 'a\nb' }, /no control characters/],
  [{ reasoningEffort: 'huge' as never }, /low, medium, high/],
  [{ maxSteps: 0 }, /number of steps/],
  [{ maxSteps: 1_001 }, /1 to 1000/],
  [{ maxTokens: 1.5 }, /tokens of the run/],
  [{ maxCostUsd: 0 }, /more than 0/],
  [{ maxCostUsd: Number.NaN }, /more than 0/],
])('the model request %j is refused', (request, message) => {
  expect(() => checkModelRequest(request)).toThrow(message);
});

it.each([
  [{ mode: 'manual' as never, providers: null, tools: null }, /'auto' or 'custom'/],
  [{ mode: 'custom', providers: [], tools: null }, /1 to 1000 names, or null/],
  [{ mode: 'custom', providers: null, tools: [' '] }, /among the tools/],
] as const)('the constraints %j are refused', (constraints, message) => {
  expect(() => checkToolConstraints(constraints)).toThrow(message);
});

it('what is within its limits is taken, and plain JSON of 64 KiB', () => {
  checkModelRequest({
    provider: 'openai',
    model: 'm',
    reasoningEffort: 'low',
    maxSteps: 1_000,
    maxCostUsd: 0.01,
  });
  checkToolConstraints({ mode: 'auto', providers: null, tools: ['slack_post_message'] });
  const most = { platform: 'x'.repeat(64 * 1024 - 15) };
  checkPlainJson(most, 'It');
  expect(() => checkPlainJson({ platform: `${most.platform}x` }, 'It')).toThrow('It is too big');
  expect(() => checkPlainJson([] as object, 'It')).toThrow('must be a JSON object');
});
