import type { RunRequest } from '../../core/runs/run.ts';
import type { RunChoices } from '../../protocol/runOptions.ts';

/** What a person chose in the task box, as a part of the request; what they left alone is the orchestrator's default. */
export function requestOf(choices: RunChoices): Pick<RunRequest, 'engine' | 'model' | 'tools' | 'timeoutMs'> {
  const { engine, tools, timeoutMinutes } = choices;
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
    ...(engine === undefined ? {} : { engine }),
    ...(hasModel ? { model: chosen } : {}),
    ...(tools === undefined ? {} : { tools }),
    ...(timeoutMinutes === undefined ? {} : { timeoutMs: Math.round(timeoutMinutes * 60_000) }),
  };
}
