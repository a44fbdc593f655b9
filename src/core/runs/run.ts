import type { ToolConstraints } from '../tools/tool.ts';
import type { TaskReport } from '../containerTasks/taskReport.ts';

/** One execution of a task in a session. */
export interface Run {
  /** UUID v7; its worker has the same. */
  readonly id: string;
  readonly sessionId: string;
  readonly request: RunRequest;
  readonly status: RunStatus;
  readonly steps: readonly RunStepState[];
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly startedAt?: number | undefined;
  readonly endedAt?: number | undefined;
  /** An abort was asked for and is under way. */
  readonly isAborting: boolean;
  /** The terminals that its steps ran in. */
  readonly terminalIds: readonly string[];
  /** How its steps are told apart, once its worker has said so (`runner.shell.marks`). */
  readonly stepMode?: RunStepMode | undefined;
  readonly result?: RunnerResult | undefined;
  /** Of a container task: what its callbacks amount to. */
  readonly taskReport?: TaskReport | undefined;
  /** What a coding agent has used, as far as it says so. */
  readonly usage?: RunUsage | undefined;
  /** The coding agent's own session: the next run of the session goes on with it. */
  readonly conversation?: string | undefined;
  /** Why it failed where no result tells: the worker crashed, the process host was lost, the shell is missing. */
  readonly error?: RunError | undefined;
  /** The agent's task that carries it out, with the engine `agent:<name>`. */
  readonly taskId?: string | undefined;
  /** Of a run on a backend that was sent there. */
  readonly backend?: BackendPlace | undefined;
  /** The run that this one repeats. */
  readonly retryOf?: string | undefined;
}

/** Where a run on a backend stands. */
export interface BackendPlace {
  /** The backend's own id of it; null as long as it has not said one. */
  readonly runId: string | null;
  /** Behind which event to resume; null where the backend gives none. */
  readonly last: string | null;
  /** Bytes of events that are kept of it. */
  readonly kept: number;
}

export type RunStatus = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled' | 'timed_out';

export function isRunEnded(run: Run): boolean {
  return run.status !== 'queued' && run.status !== 'running';
}

export interface RunUsage {
  /** Tokens; those that were read from or written to a cache included. */
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** US dollars, of what is known; 0 where nobody says. */
  readonly costUsd: number;
}

export interface RunStepMode {
  /** `marks` (OSC 133 in one shell), or `process` (one process a step). */
  readonly mode: 'marks' | 'process';
  /** Why not by marks: a sentence for a person; null with marks. */
  readonly reason: string | null;
}

export interface RunError {
  readonly reason: string;
  readonly message: string;
}

export interface RunRequest {
  /** What the person typed: with the shell engine one command a line. Kept as sent; 1 to 100,000 characters. */
  readonly task: string;
  /**
   * What carries it out; when missing, that of the session's type. `shell`; a coding agent (`claude-code`, `codex`,
   * `gemini`, `opencode`); `container`, in a container of the session; `model`, a language model with tools; or
   * `agent:<name>`, any registered agent of that name; `backend:<name>`, the run backend of that name, whose own engine
   * is `engine_params.engine_type` of the hints' `worker`. Only the shell has the task taken apart into steps.
   */
  readonly engine?: string | undefined;
  /** The steps, when the caller has them apart already; otherwise they are read from `task`. */
  readonly commands?: readonly string[] | undefined;
  readonly sessionId?: string | undefined;
  /** The session's directory when missing. */
  readonly cwd?: string | undefined;
  /** Program; the user's shell when missing. Of no meaning for other engines. */
  readonly shell?: string | undefined;
  /** Over the core's own environment; null removes a variable. */
  readonly env?: Readonly<Record<string, string | null>> | undefined;
  /** `env` is the whole environment: that of who asks, instead of the core's. */
  readonly isEnvWhole?: boolean | undefined;
  /** Whole run, in milliseconds; none when missing. */
  readonly timeoutMs?: number | undefined;
  readonly cols?: number | undefined;
  readonly rows?: number | undefined;
  /** The container task that this is an execution of; such a run has no shell. */
  readonly containerTaskId?: string | undefined;
  /** Who asked: a label, never an identity. */
  readonly requestedBy?: string | undefined;
  /** Among those that wait for their turn, higher ones go first; `medium` when missing. */
  readonly priority?: RunPriority | undefined;
  /**
   * Whoever starts runs gives each a key: for 24 hours a second request with it answers with the run of the first, as
   * long as that is stored. 1 to 200 characters.
   */
  readonly idempotencyKey?: string | undefined;
  /** What kind of task it is (`code`, `research` …), for those who list runs. */
  readonly taskType?: string | undefined;
  /** Handed through to engines that know what to do with it, and to whoever lists runs. Plain JSON, at most 64 KiB. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
  /** With the engine `model`. */
  readonly model?: ModelRequest | undefined;
  /** Which tools it may call; all that are authorized when missing. */
  readonly tools?: ToolConstraints | undefined;
  readonly hints?: RunHints | undefined;
}

/** Which model does a run of the engine `model`, and how far it may go. What is missing is the orchestrator's own default. */
export interface ModelRequest {
  /** Of a provider that the orchestrator knows (`ModelProvider.id`): `openai`, `anthropic`, `ollama`, `vscode` … */
  readonly provider?: string | undefined;
  /** The provider's own name of it. */
  readonly model?: string | undefined;
  readonly reasoningEffort?: 'low' | 'medium' | 'high' | undefined;
  /** Of one answer, in tokens. */
  readonly maxOutputTokens?: number | undefined;
  /** Answers of the model, 1 to 1,000; the contract's default is 50. */
  readonly maxSteps?: number | undefined;
  /** Of the whole run: input and output together. At it the run ends. */
  readonly maxTokens?: number | undefined;
  /** Of the whole run, in US dollars, as far as the model's price is known. At it the run ends. */
  readonly maxCostUsd?: number | undefined;
  /** Whether the model looks at what it has done before each further step. */
  readonly reflects?: boolean | undefined;
  /** Whether it may run code: in a container of its session, or in a terminal where the owner allows that. */
  readonly codeExecution?: boolean | undefined;
}

/**
 * What contract 004 hands to engines that know what to do with it; an engine that does not says so in an event
 * (`runner.hints.ignored`). Plain JSON, at most 64 KiB together.
 */
export interface RunHints {
  readonly worker?: Readonly<Record<string, unknown>> | undefined;
  readonly grounding?: Readonly<Record<string, unknown>> | undefined;
  readonly controller?: Readonly<Record<string, unknown>> | undefined;
  readonly platform?: string | undefined;
}

export type RunPriority = 'low' | 'medium' | 'high' | 'critical';

/** A step as the panel, the tree and the CLI show it: folded from the run's events by runs/reducer.ts. */
export interface RunStepState {
  /** From 1. */
  readonly index: number;
  readonly command: string;
  readonly status: 'pending' | 'running' | 'succeeded' | 'failed' | 'cancelled' | 'timed_out' | 'skipped';
  readonly startedAt?: number | undefined;
  readonly durationMs?: number | undefined;
  readonly exitCode?: number | null | undefined;
  /** Where its output stands in that terminal's record; `to` grows while it runs. */
  readonly output?: StepOutput | undefined;
  /** With an agent: where its output stands in that task. */
  readonly taskOutput?: TaskStepOutput | undefined;
  /** With the engine `container`: where its output stands in that container's record. */
  readonly containerOutput?: ContainerStepOutput | undefined;
  /** With a coding agent: what it has said, in bytes of UTF-8; the text stands in the run's events. */
  readonly textBytes?: number | undefined;
  /** 0 to 1, as an agent reports it. */
  readonly progress?: number | undefined;
}

export interface StepOutput {
  readonly terminalId: string;
  readonly from: number;
  readonly to: number;
}

export interface TaskStepOutput {
  readonly taskId: string;
  readonly from: number;
  readonly to: number;
}

export interface ContainerStepOutput {
  readonly containerId: string;
  readonly from: number;
  readonly to: number;
}

const agentEngine = 'agent:';

/** The name of the agent that is to carry a run out; undefined with every other engine. */
export function agentNameOf({ engine }: RunRequest): string | undefined {
  return engine?.startsWith(agentEngine) === true ? engine.slice(agentEngine.length).trim() : undefined;
}

/** The final result, field by field as contract 004 has it, plus what is marked as ours. */
export interface RunnerResult {
  /** Ours: the contract knows no run id. */
  readonly run_id: string;
  readonly task: string;
  readonly status: 'success' | 'failed' | 'timeout';
  readonly completion_reason: 'DONE' | 'FAIL' | 'MAX_STEPS_REACHED';
  /** Ours: the run's own word, which tells a cancelled run from a failed one. */
  readonly outcome: Exclude<RunStatus, 'queued' | 'running'>;
  readonly steps: readonly RunnerStep[];
  readonly grounding_prompts: Readonly<Record<string, unknown>>;
}

export interface RunnerStep {
  readonly step_index: number;
  readonly plan: string;
  readonly action: string;
  readonly exec_code: string;
  readonly execution_result: Readonly<Record<string, unknown>>;
  readonly reflection: string | null;
  readonly reflection_thoughts: string | null;
  readonly info: Readonly<Record<string, unknown>>;
  readonly behavior_fact_thoughts: string | null;
  readonly behavior_fact_answer: string | null;
  /** The contract knows only these two; a shell command is the default one, and `info.engine` says what it was. */
  readonly action_kind: 'gui' | 'mcp';
}
