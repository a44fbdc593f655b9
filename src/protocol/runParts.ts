import { OrchestratorError } from '../base/errors.ts';
import type { ModelRequest, ToolConstraints } from './gen/run/v1/run.ts';
import { given } from './given.ts';

/** Parts of a run's request, between the core's shape of them and that of run.v1, for both ends of the wire. */

const efforts = ['low', 'medium', 'high'] as const;
const modes = ['auto', 'custom'] as const;

export interface ModelParts {
  readonly provider?: string | undefined;
  readonly model?: string | undefined;
  readonly reasoningEffort?: (typeof efforts)[number] | undefined;
  readonly maxOutputTokens?: number | undefined;
  readonly maxSteps?: number | undefined;
  readonly maxTokens?: number | undefined;
  readonly maxCostUsd?: number | undefined;
  readonly reflects?: boolean | undefined;
  readonly codeExecution?: boolean | undefined;
}

export interface ToolParts {
  readonly mode: (typeof modes)[number];
  readonly providers: readonly string[] | null;
  readonly tools: readonly string[] | null;
}

/** Error: `invalid_request` for an effort that there is none of. */
export function modelPartsOf(message: ModelRequest): ModelParts {
  const { provider, model, reasoningEffort, reflects, codeExecution } = message;
  return {
    provider: given(provider),
    model: given(model),
    reasoningEffort:
      reasoningEffort === '' ? undefined : wordOf(efforts, reasoningEffort, 'The reasoning effort'),
    maxOutputTokens: given(message.maxOutputTokens),
    maxSteps: given(message.maxSteps),
    maxTokens: given(message.maxTokens),
    maxCostUsd: given(message.maxCostUsd),
    reflects,
    codeExecution,
  };
}

export function modelMessage(parts: ModelParts): ModelRequest {
  const { provider = '', model = '', reasoningEffort = '', reflects, codeExecution } = parts;
  const { maxOutputTokens = 0, maxSteps = 0, maxTokens = 0, maxCostUsd = 0 } = parts;
  return {
    provider,
    model,
    reasoningEffort,
    maxOutputTokens,
    maxSteps,
    maxTokens,
    maxCostUsd,
    reflects,
    codeExecution,
  };
}

/** Cleaned as contract 004, section 3, has it. Error: `invalid_request` for another mode. */
export function toolPartsOf({ mode, providers, tools }: ToolConstraints): ToolParts {
  const names = (items: readonly string[]): readonly string[] | null => {
    const kept = items.map((item) => item.trim()).filter((item) => item !== '');
    return kept.length === 0 ? null : kept;
  };
  return {
    mode: mode === '' ? 'auto' : wordOf(modes, mode.toLowerCase(), 'The mode of the tool constraints'),
    providers: names(providers.map((provider) => provider.toLowerCase())),
    tools: names(tools),
  };
}

export function toolMessage({ mode, providers, tools }: ToolParts): ToolConstraints {
  return { mode, providers: [...(providers ?? [])], tools: [...(tools ?? [])] };
}

function wordOf<T extends string>(words: readonly T[], value: string, what: string): T {
  const word = words.find((candidate) => candidate === value);
  if (word !== undefined) return word;
  const message = `${what} must be one of ${words.join(', ')}.`;
  throw new OrchestratorError('INVALID_ARGUMENT', 'invalid_request', message);
}
