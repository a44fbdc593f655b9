import { describe, expect, it } from 'vitest';
import { parseOrchestrateBody } from '../../../protocol/orchestrate.ts';
import type { RunRequest } from '../../../core/runs/run.ts';
import { runRequestOf, type Sender } from './runRequest.ts';

const sender: Sender = {
  caller: { name: 'token', scopes: new Set(['drive'] as const) },
  userId: undefined,
  requestKey: undefined,
};

function requestOf(body: object, by: Partial<Sender> = {}): RunRequest {
  const parsed = parseOrchestrateBody({ task: 'do it', ...body });
  if (parsed.kind === 'wrong') throw new Error(parsed.detail);
  return runRequestOf(parsed.request, { ...sender, ...by });
}

const engine = (params: object): object => ({ worker: { engine_params: params } });

describe('the engine', () => {
  it.each([
    [{}, { engine: 'shell' }],
    [{ session_id: 's' }, { engine: undefined, sessionId: 's' }],
    [
      engine({ engine_type: ' container ', image: 'alpine' }),
      { engine: 'container', metadata: { image: 'alpine' } },
    ],
    [engine({ engine_type: 'agent', agent: 'painter' }), { engine: 'agent:painter' }],
    [engine({ engine_type: 'agent:painter' }), { engine: 'agent:painter' }],
    [engine({ agent: 'painter' }), { engine: 'agent:painter' }],
    [engine({ engine_type: 'model' }), { engine: 'model', model: undefined }],
    [engine({ model: 'm' }), { engine: 'model', model: { model: 'm' } }],
    [
      engine({ engine_type: 'openai', model: 'o4-mini' }),
      { engine: 'model', model: { provider: 'openai', model: 'o4-mini' } },
    ],
    [engine({ engine_type: 'vscode' }), { engine: 'model', model: { provider: 'vscode' } }],
    [
      engine({ engine_type: 'codex', model: 'm', permission_mode: 'plan' }),
      { engine: 'codex', model: undefined, metadata: { model: 'm', permissionMode: 'plan' } },
    ],
  ])('of %j is the one that it names', (body, wanted) => {
    const request: Readonly<Record<string, unknown>> = { ...requestOf(body) };
    expect(Object.fromEntries(Object.keys(wanted).map((key) => [key, request[key]]))).toEqual(wanted);
  });
});

it('what is asked of a model is told apart from what is handed through', () => {
  const request = requestOf({
    worker: {
      engine_params: {
        ...{ engine_type: 'anthropic', reasoning_effort: 'high', max_output_tokens: 9 },
        ...{ reasoning_summary: 'auto', image: 'alpine' },
      },
      ...{ max_steps: 4, enable_reflection: false, max_trajectory_length: 1 },
    },
    ...{ grounding: { a: 1 }, controller: {}, platform: 'linux', enable_code_execution: true },
    budget: { max_tokens: 100, max_cost_usd: 0.5 },
  });
  expect(request.model).toEqual({
    ...{ provider: 'anthropic', reasoningEffort: 'high', maxOutputTokens: 9, maxSteps: 4, reflects: false },
    ...{ maxTokens: 100, maxCostUsd: 0.5, codeExecution: true },
  });
  expect(request.hints).toEqual({
    worker: { max_trajectory_length: 1, engine_params: { reasoning_summary: 'auto', image: 'alpine' } },
    grounding: { a: 1 },
    platform: 'linux',
  });
});

it('who asks is the token, and the user only a label', () => {
  expect(requestOf({}).requestedBy).toBe('token');
  expect(requestOf({}, { userId: 'tenant-1' }).requestedBy).toBe('tenant-1');
  const key = requestOf({ run_id: 'r' }).idempotencyKey;
  expect(key).toMatch(/^[0-9a-f]{64}$/);
  expect(requestOf({ run_id: 'r' }, { userId: 'other' }).idempotencyKey).toBe(key);
  expect(requestOf({ run_id: 'other' }, { requestKey: 'r' }).idempotencyKey).toBe(key);
  const other = { ...sender.caller, name: 'another token' };
  expect(requestOf({ run_id: 'r' }, { caller: other }).idempotencyKey).not.toBe(key);
});
