import { backendEngineOf } from '../../core/runs/backendRuns.ts';
import type { RunRequest } from '../../core/runs/run.ts';
import { type RunChoices, localBackend } from '../../protocol/runOptions.ts';

/** What a person chose in the task box, as a part of the request; what they left alone is the orchestrator's default. */
export function requestOf(
  choices: RunChoices,
): Pick<RunRequest, 'engine' | 'hints' | 'model' | 'tools' | 'timeoutMs'> {
  const { tools, timeoutMinutes } = choices;
  const { provider, model, reasoningEffort, maxSteps, maxTokens, maxCostUsd, codeExecution, reflects } =
    choices;
  const chosen = {
    provider,
    model,
    reasoningEffort,
    maxSteps,
    maxTokens,
    maxCostUsd,
    codeExecution,
    reflects,
  };
  const hasModel = Object.values(chosen).some((value) => value !== undefined);
  return {
    ...engineOf(choices),
    ...(hasModel ? { model: chosen } : {}),
    ...(tools === undefined ? {} : { tools }),
    ...(timeoutMinutes === undefined ? {} : { timeoutMs: Math.round(timeoutMinutes * 60_000) }),
  };
}

/** A backend is the engine here; the engine that was chosen is its own. */
function engineOf({ engine, backend = localBackend }: RunChoices): Pick<RunRequest, 'engine' | 'hints'> {
  if (backend === localBackend) return engine === undefined ? {} : { engine };
  const hints = { worker: { engine_params: { engine_type: engine } } };
  return { engine: backendEngineOf(backend), ...(engine === undefined ? {} : { hints }) };
}
