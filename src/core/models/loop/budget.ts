import { OrchestratorError } from '../../../base/errors.ts';
import type { ModelUsage } from '../languageModel.ts';
import type { ModelPrice } from '../modelProvider.ts';

/** Of text that nobody has counted: on average a token is a little more. */
const bytesPerToken = 4;

export interface BudgetLimits {
  /** Null where there is no limit. */
  readonly maxTokens: number | null;
  readonly maxCostUsd: number | null;
  readonly maxOutputTokens: number;
  /** Undefined where nobody knows it: then the cost has no limit either. */
  readonly price: ModelPrice | undefined;
}

export interface Expense extends ModelUsage {
  /** US dollars; null where the price is not known. */
  readonly costUsd: number | null;
}

/** What a run has used, and what it may still use. Error of all that looks ahead: `budget_exhausted`. */
export class Budget {
  private readonly limits: BudgetLimits;
  private tokens = 0;
  private costUsd = 0;

  constructor(limits: BudgetLimits) {
    this.limits = limits;
  }

  /**
   * What the next answer may have, in tokens, after a prompt of about so many bytes.
   * @throws OrchestratorError `budget_exhausted` where the prompt alone would be too much.
   */
  outputTokensAfter(promptBytes: number): number {
    const allowed = Math.min(this.limits.maxOutputTokens, this.outputTokensLeft(promptBytes));
    if (allowed < 1) throw this.exhausted();
    return allowed;
  }

  /** Whether the rest of the budget, and not the limit of one answer, is what bounds the next one. */
  isShort(promptBytes: number): boolean {
    return this.outputTokensLeft(promptBytes) < this.limits.maxOutputTokens;
  }

  /** What an answer has used, as its provider says, else by its size. */
  spend(usage: ModelUsage | undefined, promptBytes: number, answerBytes: number): Expense {
    const { inputTokens, outputTokens } = usage ?? {
      inputTokens: tokensOf(promptBytes),
      outputTokens: tokensOf(answerBytes),
    };
    const costUsd = this.costOf(inputTokens, outputTokens);
    this.tokens += inputTokens + outputTokens;
    this.costUsd += costUsd ?? 0;
    return { inputTokens, outputTokens, costUsd };
  }

  /** @throws OrchestratorError `budget_exhausted` */
  check(): void {
    const { maxTokens, maxCostUsd } = this.limits;
    if ((maxTokens !== null && this.tokens >= maxTokens) || this.isCostReached(maxCostUsd)) {
      throw this.exhausted();
    }
  }

  exhausted(): OrchestratorError {
    const { maxTokens, maxCostUsd, price } = this.limits;
    const limits = [
      ...(maxTokens === null ? [] : [`${maxTokens} tokens`]),
      ...(maxCostUsd === null || price === undefined ? [] : [`$${maxCostUsd}`]),
    ].join(' and ');
    const spent = `${this.tokens} tokens${price === undefined ? '' : ` ($${this.costUsd.toFixed(4)})`}`;
    return new OrchestratorError(
      'RESOURCE_EXHAUSTED',
      'budget_exhausted',
      `The run may use ${limits}, has used ${spent}, and what is left is not enough to go on. Give it more, or a smaller task.`,
      { details: { tokens: this.tokens, costUsd: price === undefined ? null : this.costUsd } },
    );
  }

  private outputTokensLeft(promptBytes: number): number {
    const { maxTokens, maxCostUsd, price } = this.limits;
    const input = tokensOf(promptBytes);
    const byTokens = maxTokens === null ? Infinity : maxTokens - this.tokens - input;
    if (maxCostUsd === null || price === undefined) return byTokens;
    const usd = maxCostUsd - this.costUsd - (input * price.input) / 1e6;
    if (usd <= 0) return price.input === 0 && price.output === 0 ? byTokens : 0;
    return Math.min(byTokens, price.output === 0 ? Infinity : Math.floor((usd * 1e6) / price.output));
  }

  private isCostReached(maxCostUsd: number | null): boolean {
    const { price } = this.limits;
    return maxCostUsd !== null && price !== undefined && this.costUsd >= maxCostUsd && this.costUsd > 0;
  }

  private costOf(inputTokens: number, outputTokens: number): number | null {
    const { price } = this.limits;
    return price === undefined ? null : (inputTokens * price.input + outputTokens * price.output) / 1e6;
  }
}

export function tokensOf(bytes: number): number {
  return Math.ceil(bytes / bytesPerToken);
}

export function bytesOf(tokens: number): number {
  return tokens * bytesPerToken;
}
