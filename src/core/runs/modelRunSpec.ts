import type { ModelProvider } from '../models/modelProvider.ts';
import type { ToolConstraints } from '../tools/tool.ts';
import type { ToolServer } from '../tools/toolServer.ts';
import type { CodePlace } from './runEvents.ts';
import type { ModelRequest } from './run.ts';

/** What the worker of kind `model` is started with. It is written down: no key and no secret is part of it. */
export interface ModelRunSpec {
  readonly runId: string;
  readonly task: string;
  readonly provider: ModelProvider;
  readonly model: string;
  readonly reasoningEffort: NonNullable<ModelRequest['reasoningEffort']> | null;
  readonly maxOutputTokens: number;
  readonly maxSteps: number;
  /** Null where there is no limit. */
  readonly maxTokens: number | null;
  readonly maxCostUsd: number | null;
  readonly reflects: boolean;
  /** Where it may run code; null for nowhere. */
  readonly code: CodePlace | null;
  readonly tools: ToolConstraints;
  readonly servers: readonly ToolServer[];
  /** Built-in providers that may run commands without being named in the constraints. */
  readonly toolsAllowed: readonly string[];
  readonly cwd: string;
  /** What the request says of where it is to work; null where it does not. */
  readonly platformHint: string | null;
  /** This machine's. */
  readonly platform: string;
  readonly timeoutMs: number | null;
  /** Fields of the request that are of no use here, in the contract's words. */
  readonly ignored: readonly string[];
}

export const modelEngine = 'model';
export const modelWorkerKind = 'model';

/** Variables of the worker's environment that hold its secrets, as JSON; it takes them out before it does anything. */
export const modelKeysVariable = 'ORCHESTRATOR_MODEL_KEYS';
export const toolSecretsVariable = 'ORCHESTRATOR_TOOL_SECRETS';

export const defaultMaxSteps = 50;
/** Every event of a run stores the run with all its steps. */
export const maxModelSteps = 1_000;
export const defaultMaxOutputTokens = 8_192;
/** Pieces of code that a run may execute; the contract's `code_agent_budget`. */
export const codeBudget = 20;

/** What the core tells the worker of a piece of code: `data` is a `CodeDone`. */
export const codeDoneCommand = 'code_done';

export interface CodeDone {
  readonly request_id: string;
  readonly exit_code: number | null;
  readonly output: string;
  readonly error: string;
}
