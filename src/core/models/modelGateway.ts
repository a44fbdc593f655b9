import type { Clock } from '../../base/clock.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { Models } from '../ports/models.ts';
import { chosenModel, keyFor } from '../runs/modelRuns.ts';
import { defaultMaxOutputTokens } from '../runs/modelRunSpec.ts';
import type { ModelPrompt } from './languageModel.ts';
import { askModel, type AnswerListener, isPassing, type ModelAnswer } from './loop/modelAnswer.ts';
import type { ModelProvider } from './modelProvider.ts';

/** An answer is cut at so many bytes a token that was allowed for it. */
const maxBytesPerToken = 16;

export interface GatewayRequest {
  readonly provider?: string | undefined;
  readonly model?: string | undefined;
  /** Asked in this order where the one before cannot answer; each with its own default model. */
  readonly fallbacks: readonly string[];
  readonly prompt: ModelPrompt;
}

export interface GatewayAnswer extends ModelAnswer {
  readonly provider: string;
  readonly model: string;
}

export interface ProviderFigures {
  readonly activeRequests: number;
  readonly totalRequests: number;
  /** Input and output together. */
  readonly totalTokens: number;
  readonly averageMs: number;
  /** Milliseconds since the epoch. */
  readonly lastRequestAt: number | undefined;
}

interface Figures {
  activeRequests: number;
  totalRequests: number;
  totalTokens: number;
  answered: number;
  totalMs: number;
  lastRequestAt: number | undefined;
}

/** Single answers of models, for doors whose clients have a loop of their own. */
export class ModelGateway {
  readonly models: Models;
  private readonly clock: Clock;
  private readonly figures = new Map<string, Figures>();

  constructor(models: Models, clock: Clock) {
    this.models = models;
    this.clock = clock;
  }

  /** Whether a provider's key is there, or none is needed. */
  async isAvailable(provider: ModelProvider): Promise<boolean> {
    return provider.keyEnv === null || (await this.models.keyOf(provider)) !== undefined;
  }

  /**
   * One answer. Errors: `model_not_found`, `model_key_missing`, those of the model, `aborted`; what `listener` throws of
   * a failed attempt ends it.
   */
  async ask(request: GatewayRequest, listener: AnswerListener, signal: AbortSignal): Promise<GatewayAnswer> {
    const { provider, model, fallbacks, prompt } = request;
    const wanted = [{ provider, model }, ...fallbacks.map((id) => ({ provider: id, model: undefined }))];
    let hasSpoken = false;
    const watched: AnswerListener = {
      ...listener,
      said(kind, text) {
        hasSpoken = true;
        listener.said?.(kind, text);
      },
    };
    for (const [index, choice] of wanted.entries()) {
      try {
        return await this.askOne(choice, prompt, watched, signal);
      } catch (error) {
        const isLast = index === wanted.length - 1 || hasSpoken || signal.aborted;
        if (isLast || !mayAnotherHelp(error)) throw error;
      }
    }
    throw new OrchestratorError('INTERNAL', 'internal', 'No provider was asked.');
  }

  figuresOf(providerId: string): ProviderFigures {
    const { activeRequests, totalRequests, totalTokens, answered, totalMs, lastRequestAt } =
      this.figures.get(providerId) ?? newFigures();
    const averageMs = answered === 0 ? 0 : totalMs / answered;
    return { activeRequests, totalRequests, totalTokens, averageMs, lastRequestAt };
  }

  private async askOne(
    choice: { readonly provider: string | undefined; readonly model: string | undefined },
    prompt: ModelPrompt,
    listener: AnswerListener,
    signal: AbortSignal,
  ): Promise<GatewayAnswer> {
    const { models, clock } = this;
    const { provider, name } = await chosenModel(models, choice);
    const model = models.open(provider, name, await keyFor(models, provider));
    const figures = this.figures.get(provider.id) ?? newFigures();
    this.figures.set(provider.id, figures);
    const begun = clock.now();
    figures.activeRequests += 1;
    figures.totalRequests += 1;
    figures.lastRequestAt = begun;
    try {
      const maxBytes = (prompt.maxOutputTokens ?? defaultMaxOutputTokens) * maxBytesPerToken;
      const answer = await askModel({
        model,
        prompt,
        maxBytes,
        listener,
        clock,
        random: Math.random,
        signal,
      });
      figures.answered += 1;
      figures.totalMs += clock.now() - begun;
      figures.totalTokens += (answer.usage?.inputTokens ?? 0) + (answer.usage?.outputTokens ?? 0);
      return { ...answer, provider: provider.id, model: name };
    } finally {
      figures.activeRequests -= 1;
    }
  }
}

function newFigures(): Figures {
  return {
    activeRequests: 0,
    totalRequests: 0,
    totalTokens: 0,
    answered: 0,
    totalMs: 0,
    lastRequestAt: undefined,
  };
}

/** Not where the request itself is wrong: others would say the same. */
function mayAnotherHelp(error: unknown): boolean {
  if (!OrchestratorError.is(error)) return false;
  return (
    isPassing(error) || ['model_key_missing', 'model_key_refused', 'model_not_found'].includes(error.reason)
  );
}
