import type { RunRequest } from '../../core/runs/run.ts';
import { backendNameOf } from '../../core/runs/backendRuns.ts';

type Json = Readonly<Record<string, unknown>>;

/** What can be named as `engine_type` and is a model's provider (docs/run-stream.md, "The request"). */
const providerTypes: ReadonlySet<string> = new Set([
  'openai',
  'anthropic',
  'ollama',
  'openai-compatible',
  'vscode',
]);

/**
 * The body of `POST /orchestrate/stream` that asks for a run like this: only what says something. The session, the
 * directory and the environment are this machine's, and stay here.
 */
export function orchestratePayload(request: RunRequest): Json {
  const { task, model = {}, tools, hints = {}, timeoutMs } = request;
  return defined({
    task,
    worker: filled({
      ...hints.worker,
      engine_params: filled(engineParams(request)),
      max_steps: model.maxSteps,
      enable_reflection: model.reflects,
    }),
    grounding: hints.grounding,
    controller: hints.controller,
    platform: hints.platform,
    enable_code_execution: model.codeExecution,
    tool_constraints:
      tools === undefined
        ? undefined
        : defined({
            mode: tools.mode,
            providers: tools.providers ?? undefined,
            tools: tools.tools ?? undefined,
          }),
    budget: filled({ max_tokens: model.maxTokens, max_cost_usd: model.maxCostUsd }),
    timeout_ms: timeoutMs,
  });
}

function engineParams({ engine, model = {}, metadata = {}, hints }: RunRequest): Json {
  const given = hints?.worker?.['engine_params'];
  const params: Json = typeof given === 'object' && given !== null ? { ...given } : {};
  // On a backend, the engine is the one that was chosen there.
  const own = backendNameOf({ engine }) === undefined ? engine : params['engine_type'];
  const isProvider = own === 'model' && model.provider !== undefined && providerTypes.has(model.provider);
  return {
    ...params,
    engine_type: isProvider ? model.provider : own,
    provider: isProvider ? undefined : model.provider,
    model: model.model ?? metadata['model'],
    reasoning_effort: model.reasoningEffort,
    max_output_tokens: model.maxOutputTokens,
    image: metadata['image'],
    permission_mode: metadata['permissionMode'],
  };
}

/** Undefined where nothing is in it. */
function filled(record: Json): Json | undefined {
  const kept = defined(record);
  return Object.keys(kept).length === 0 ? undefined : kept;
}

function defined(record: Json): Json {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined));
}
