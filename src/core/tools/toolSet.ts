import type { UnavailableTools } from '../runs/runEvents.ts';
import type { Tool, ToolConstraints, ToolRefusal } from './tool.ts';

/**
 * The tools of one run. It is the only way to them: what the constraints leave out is not in it, and a call by any other
 * name than one of `tools`, to the letter, is refused before anybody is asked.
 */
export interface ToolSet extends AsyncDisposable {
  readonly constraints: ToolConstraints;
  readonly tools: readonly Tool[];
  readonly unavailable: readonly UnavailableTools[];
  /** Never throws: what goes wrong is an outcome. Ends within its own time limit, and at once with the signal. */
  call(call: ToolCall, signal: AbortSignal): Promise<ToolOutcome>;
}

export interface ToolCall {
  /** As the model said it. */
  readonly name: string;
  /** As the model said it: checked against the tool's schema before the call. */
  readonly arguments: unknown;
}

export type ToolOutcome =
  /** `text` is for the model, at most 256 KiB; `value` is plain JSON for the event (`mcp.call.completed`). */
  | {
      readonly kind: 'completed';
      readonly provider: string;
      readonly text: string;
      readonly value: unknown;
    }
  | { readonly kind: 'failed'; readonly provider: string; readonly error: string }
  | { readonly kind: 'skipped'; readonly provider: string | null; readonly reason: ToolRefusal };
