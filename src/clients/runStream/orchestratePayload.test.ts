import { describe, expect, it } from 'vitest';
import type { RunRequest } from '../../core/runs/run.ts';
import { parseOrchestrateBody } from '../../protocol/orchestrate.ts';
import { orchestratePayload } from './orchestratePayload.ts';

describe('the body that asks for a run', () => {
  const table: readonly (readonly [string, RunRequest, object])[] = [
    ['only the task', { task: 'x', cwd: '/here', env: { KEY: 'secret' }, sessionId: 's' }, { task: 'x' }],
    [
      'a model of a known provider',
      {
        task: 'x',
        engine: 'model',
        model: { provider: 'openai', model: 'o4-mini', maxSteps: 9, codeExecution: true },
        tools: { mode: 'custom', providers: ['gmail'], tools: null },
      },
      {
        task: 'x',
        worker: { engine_params: { engine_type: 'openai', model: 'o4-mini' }, max_steps: 9 },
        enable_code_execution: true,
        tool_constraints: { mode: 'custom', providers: ['gmail'] },
      },
    ],
    [
      "a model of a provider of one's own, with budgets",
      {
        task: 'x',
        engine: 'model',
        model: { provider: 'lab', maxTokens: 10, maxCostUsd: 0.5 },
        timeoutMs: 1_500,
      },
      {
        task: 'x',
        worker: { engine_params: { engine_type: 'model', provider: 'lab' } },
        budget: { max_tokens: 10, max_cost_usd: 0.5 },
        timeout_ms: 1_500,
      },
    ],
    [
      'a backend, with the engine that was chosen there',
      {
        task: 'x',
        engine: 'backend:Lab',
        hints: { worker: { engine_params: { engine_type: 'claude-code' } } },
        metadata: { permissionMode: 'plan' },
      },
      { task: 'x', worker: { engine_params: { engine_type: 'claude-code', permission_mode: 'plan' } } },
    ],
    ['a backend that chooses itself', { task: 'x', engine: 'backend:Lab' }, { task: 'x' }],
  ];

  it.each(table)('says %s', (_, request, body) => {
    const payload = orchestratePayload(request);
    expect(payload).toEqual(body);
    expect(parseOrchestrateBody(payload).kind).toBe('request');
  });
});
