import {
  ModelRequest as ModelRequestMessage,
  type ToolConstraints as ToolConstraintsMessage,
} from './gen/run/v1/run.ts';
import { given } from './given.ts';

/** As the core has it (`core/runs/run.ts`), for whoever maps it to the wire or from it. */
export interface ModelFields {
  readonly provider?: string | undefined;
  readonly model?: string | undefined;
  readonly reasoningEffort?: 'low' | 'medium' | 'high' | undefined;
  readonly maxOutputTokens?: number | undefined;
  readonly maxSteps?: number | undefined;
  readonly maxTokens?: number | undefined;
  readonly maxCostUsd?: number | undefined;
  readonly reflects?: boolean | undefined;
  readonly codeExecution?: boolean | undefined;
}

export interface ConstraintFields {
  readonly mode: 'auto' | 'custom';
  readonly providers: readonly string[] | null;
  readonly tools: readonly string[] | null;
}

export function modelMessage(model: ModelFields | undefined): ModelRequestMessage | undefined {
  return model === undefined ? undefined : ModelRequestMessage.fromPartial(withoutUndefined(model));
}

export function modelOf(message: ModelRequestMessage | undefined): ModelFields | undefined {
  if (message === undefined) return undefined;
  const { reasoningEffort, reflects, codeExecution } = message;
  return {
    provider: given(message.provider),
    model: given(message.model),
    // Whoever takes the request checks it.
    reasoningEffort: given(reasoningEffort) as ModelFields['reasoningEffort'],
    maxOutputTokens: given(message.maxOutputTokens),
    maxSteps: given(message.maxSteps),
    maxTokens: given(message.maxTokens),
    maxCostUsd: given(message.maxCostUsd),
    reflects: reflects ? true : undefined,
    codeExecution: codeExecution ? true : undefined,
  };
}

export function constraintsMessage(tools: ConstraintFields | undefined): ToolConstraintsMessage | undefined {
  if (tools === undefined) return undefined;
  return { mode: tools.mode, providers: [...(tools.providers ?? [])], tools: [...(tools.tools ?? [])] };
}

/** Trimmed as contract 004 has it; an empty list is none. */
export function constraintsOf(message: ToolConstraintsMessage | undefined): ConstraintFields | undefined {
  if (message === undefined) return undefined;
  const list = (items: readonly string[]): readonly string[] | null => {
    const clean = items.map((item) => item.trim()).filter((item) => item !== '');
    return clean.length === 0 ? null : clean;
  };
  return {
    mode: message.mode.toLowerCase() === 'custom' ? 'custom' : 'auto',
    providers: list(message.providers.map((provider) => provider.toLowerCase())),
    tools: list(message.tools),
  };
}

function withoutUndefined(fields: ModelFields): Partial<ModelRequestMessage> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
