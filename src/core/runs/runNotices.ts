import type { LogTransaction } from '../events/logTransaction.ts';
import type { ModelRequest, Run, RunRequest } from './run.ts';
import type { RunEvent } from './runEvents.ts';

/** Of the engine that says itself which tools and hints it takes. */
const modelEngine = 'model';

/** What is asked for of a model, as contract 004 calls it. */
const modelFields: Readonly<Record<keyof ModelRequest, string>> = {
  provider: 'worker.engine_params.engine_type',
  model: 'worker.engine_params.model',
  reasoningEffort: 'worker.engine_params.reasoning_effort',
  maxOutputTokens: 'worker.engine_params.max_output_tokens',
  maxSteps: 'worker.max_steps',
  reflects: 'worker.enable_reflection',
  maxTokens: 'budget.max_tokens',
  maxCostUsd: 'budget.max_cost_usd',
  codeExecution: 'enable_code_execution',
};

/**
 * What a run tells as soon as it is in progress: that none of the tools can be called that it was given constraints
 * for, and which fields of its request mean nothing to its engine. Empty with the engine `model`, which knows better.
 */
export function noticesOf({ request }: Pick<Run, 'request'>): readonly RunEvent[] {
  if (request.engine === modelEngine) return [];
  const { tools } = request;
  const notices: RunEvent[] = [];
  if (tools !== undefined) {
    const data = { ...tools, effective: [], unavailable: [] };
    notices.push({ type: 'runner.tools.configured', data });
  }
  const fields = ignoredFields(request);
  if (fields.length > 0) {
    const engine = request.engine ?? 'shell';
    notices.push({ type: 'runner.hints.ignored', data: { engine, fields } });
  }
  return notices;
}

/** Appends what the run has to tell of itself; it changes nothing of the run. */
export function appendNotices(tx: LogTransaction, run: Run, time: number): void {
  const { id: runId, sessionId } = run;
  for (const { type, data } of noticesOf(run)) tx.append({ type, time, sessionId, runId, data: { ...data } });
}

function ignoredFields(request: RunRequest): readonly string[] {
  const { model = {}, hints = {} } = request;
  const ofModel = Object.entries(modelFields).flatMap(([key, field]) => {
    const value = model[key as keyof ModelRequest];
    return value === undefined || value === false ? [] : [field];
  });
  const ofWorker = Object.keys(hints.worker ?? {}).map((key) => `worker.${key}`);
  const others = (['grounding', 'controller', 'platform'] as const).filter((key) => hints[key] !== undefined);
  return [...ofModel, ...ofWorker, ...others];
}
