import * as z from 'zod';
import type { Clock } from '../../base/clock.ts';
import type { DrivenOrchestrator } from '../../core/drivenOrchestrator.ts';
import type { ToolCaller } from './caller.ts';
import type { McpLimits } from './limits.ts';

/**
 * A tool that other programs drive the workbench by, whatever way they come: over MCP, or as a language model tool of
 * VS Code. It decides nothing that the core decides; it makes small, safe results of what the core says.
 */
export interface WorkbenchTool {
  readonly name: string;
  readonly title: string;
  /** For a model: what it does, what it answers, what to do next. */
  readonly description: string;
  readonly scope: 'read' | 'drive';
  /** As MCP has them (`ToolAnnotations`). */
  readonly annotations: ToolHints;
  readonly input: z.ZodObject;
  readonly output: z.ZodObject;
  /** @param args parsed by `input`. Errors: OrchestratorErrors. */
  readonly run: (args: never, call: ToolContext) => Promise<Record<string, unknown>>;
}

export interface ToolHints {
  readonly readOnlyHint: boolean;
  readonly destructiveHint: boolean;
  readonly idempotentHint: boolean;
  readonly openWorldHint: boolean;
}

export interface ToolContext {
  readonly orchestrator: DrivenOrchestrator;
  /** Where things start whose directory nobody names; the orchestrator's own choice when missing. */
  readonly defaultDirectory: string | undefined;
  readonly caller: ToolCaller;
  /** Of the request: it ends a wait, never what is waited for. */
  readonly signal: AbortSignal;
  /** Undefined where nobody wants to hear of it. */
  readonly report: ((message: string) => void) | undefined;
  readonly clock: Clock;
  readonly limits: McpLimits;
}

interface ToolSpec<I extends z.ZodObject, O extends z.ZodObject> {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly input: I;
  readonly output: O;
  readonly run: (args: z.output<I>, call: ToolContext) => Promise<z.input<O>>;
}

/** A tool that only looks. */
export function readTool<I extends z.ZodObject, O extends z.ZodObject>(spec: ToolSpec<I, O>): WorkbenchTool {
  const annotations = {
    readOnlyHint: true,
    destructiveHint: false,
    idempotentHint: true,
    openWorldHint: false,
  };
  return { ...spec, input: strict(spec.input), scope: 'read', annotations };
}

/** A tool that changes something. What runs a command may do anything, so that it is one of an open world. */
export function driveTool<I extends z.ZodObject, O extends z.ZodObject>(
  spec: ToolSpec<I, O> & { readonly hints?: Partial<Omit<ToolHints, 'readOnlyHint'>> },
): WorkbenchTool {
  const { hints, ...tool } = spec;
  return {
    ...tool,
    input: strict(tool.input),
    scope: 'drive',
    annotations: {
      readOnlyHint: false,
      destructiveHint: true,
      idempotentHint: false,
      openWorldHint: true,
      ...hints,
    },
  };
}

/** A misspelt argument is told, not left out. */
function strict(input: z.ZodObject): z.ZodObject {
  return z.strictObject(input.shape);
}
