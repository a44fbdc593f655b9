/** A language model, as whoever asks it sees it: what is said so far goes in, one answer comes out as it is made. */
export interface LanguageModel {
  /** The provider's own name of it. */
  readonly name: string;
  /**
   * One answer; its last part is `end`. Never silent for longer than its provider's limit. Errors: `model_unavailable`
   * and `model_rate_limited` (asking again may help), `model_key_missing`, `model_key_refused`, `model_not_found`,
   * `model_rejected`, `context_overflow`; `aborted` by the signal.
   */
  answer(prompt: ModelPrompt, signal: AbortSignal): AsyncIterable<ModelPart>;
}

export interface ModelPrompt {
  readonly messages: readonly ModelMessage[];
  readonly tools: readonly ModelTool[];
  /** In tokens; the model's own limit when missing. */
  readonly maxOutputTokens?: number | undefined;
  readonly reasoningEffort?: 'low' | 'medium' | 'high' | undefined;
  readonly temperature?: number | undefined;
  readonly topP?: number | undefined;
  readonly topK?: number | undefined;
  readonly stopSequences?: readonly string[] | undefined;
}

export interface ModelTool {
  readonly name: string;
  readonly description: string;
  /** JSON Schema of an object. */
  readonly inputSchema: Readonly<Record<string, unknown>>;
}

export type ModelMessage =
  | { readonly role: 'system' | 'user'; readonly text: string }
  | { readonly role: 'assistant'; readonly content: readonly AnswerPart[] }
  | { readonly role: 'tool'; readonly results: readonly ModelToolResult[] };

/** What an answer is made of, as it is told to the model again. `opaque` is the provider's own, and goes back as it came. */
export type AnswerPart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'reasoning'; readonly text: string; readonly opaque?: unknown }
  | ModelToolCall;

export interface ModelToolCall {
  readonly kind: 'call';
  /** One of its kind in its answer. */
  readonly id: string;
  readonly name: string;
  /** As the model wrote them: meant to be JSON. */
  readonly arguments: string;
  readonly opaque?: unknown;
}

export interface ModelToolResult {
  readonly callId: string;
  readonly name: string;
  readonly text: string;
  readonly hasFailed: boolean;
}

export type ModelPart =
  | { readonly kind: 'text' | 'reasoning'; readonly text: string }
  /** A piece of reasoning is complete. */
  | { readonly kind: 'reasoning.end'; readonly opaque: unknown }
  /** Arguments grow; the call itself comes once they are complete. */
  | { readonly kind: 'call.delta'; readonly id: string; readonly name: string; readonly text: string }
  | ModelToolCall
  | {
      readonly kind: 'end';
      readonly reason: AnswerEnd;
      /** Undefined where the provider does not tell. */
      readonly usage: ModelUsage | undefined;
    };

/** `length`: at the limit of its output; `refused`: by the model, or by its provider's filter. */
export type AnswerEnd = 'stop' | 'tool_calls' | 'length' | 'refused';

export interface ModelUsage {
  /** Tokens; those from a cache included. */
  readonly inputTokens: number;
  /** Tokens; reasoning included. */
  readonly outputTokens: number;
}
