import type { ContainerTaskEventData } from '../containerTasks/containerTaskEvents.ts';
import type { ToolConstraints, ToolRefusal } from '../tools/tool.ts';
import type { RunnerResult, RunStatus } from './run.ts';

/**
 * What a run reports, by name and payload, after contract 004 (section 4). The names of the contract are kept to the
 * letter; `runner.step.output`, `runner.task.output`, `runner.step.progress`, `runner.terminal`,
 * `runner.steps.planned`, `runner.shell.marks` and `runner.abort.requested` are ours. Payload keys are in the contract's snake case because they go over the wire as they are.
 */
export interface RunEventData extends ContainerTaskEventData {
  'response.created': { readonly status: 'accepted'; readonly run_id: string };
  'response.in_progress': { readonly status: 'running'; readonly run_id: string };
  'runner.started': { readonly task: string; readonly max_steps: number; readonly platform: string | null };
  /** Every step's command, once, before the first step starts. */
  'runner.steps.planned': { readonly commands: readonly string[] };
  /** A terminal of this run was started. The core makes a Terminal of it. */
  'runner.terminal': {
    readonly terminal_id: string;
    readonly shell: string;
    readonly args: readonly string[];
    readonly cwd: string;
    readonly cols: number;
    readonly rows: number;
    readonly pid: number;
  };
  /** How steps are told apart: `marks` (OSC 133 in one shell), or `process` (one process a step) with the reason. */
  'runner.shell.marks': {
    readonly shell: string;
    readonly mode: 'marks' | 'process';
    readonly reason: string | null;
  };
  /** The effective set, after the constraints: what the run can call, not what was asked for. */
  'runner.tools.configured': {
    readonly mode: ToolConstraints['mode'];
    /** As asked for. */
    readonly providers: readonly string[] | null;
    readonly tools: readonly string[] | null;
    /** Ours: what can be called, by name; and what was asked for but cannot be, with the reason. */
    readonly effective: readonly { readonly name: string; readonly provider: string }[];
    readonly unavailable: readonly UnavailableTools[];
  };
  'mcp.actions.registration.completed': { readonly server: string; readonly actions: readonly string[] };
  'mcp.actions.registration.skipped': { readonly server: string; readonly reason: ToolRefusal };
  /** What was asked for of this engine that it cannot do (ours): names of the request's fields, in the contract's words. */
  'runner.hints.ignored': { readonly engine: string; readonly fields: readonly string[] };
  /** It goes on only as long as the window that it was started in (ours): a sentence for a person. */
  'runner.window.bound': { readonly message: string };
  /** Where a run on a backend stands (ours): what a core needs to go on with it after another one. */
  'runner.backend': {
    readonly backend: string;
    /** The backend's own id of the run; null as long as it has not said one. */
    readonly run_id: string | null;
    /** Of the last event that was taken over; null where the backend gives none. */
    readonly last: string | null;
    /** Bytes of events that are kept of it. */
    readonly kept: number;
  };
  /** What becomes of the connection to the backend (ours): a sentence for a person. */
  'runner.backend.notice': { readonly backend: string; readonly message: string };
  /** An event of a backend whose name we do not know, as it came (ours). */
  'runner.foreign': {
    /** At most 200 characters. */
    readonly event: string;
    /** At most 64 KiB of JSON; what is more is its beginning as text. */
    readonly data: unknown;
  };
  'runner.step.started': { readonly step: number };
  'worker.step.started': { readonly step: number };
  /** The model's answer of the step is there: what it means to do. */
  'worker.step.ready': {
    readonly step: number;
    readonly plan: string;
    readonly plan_code: string;
    readonly exec_code: string;
    readonly reflection: string | null;
    readonly reflection_thoughts: string | null;
  };
  'worker.reflection.skipped': { readonly step: number; readonly reason: 'disabled' | 'initial_step' };
  'worker.reflection.started': { readonly step: number };
  'worker.reflection.completed': {
    readonly step: number;
    readonly reflection: string;
    readonly thoughts: string | null;
  };
  /** One request to the model; a failed one is followed by a retry, or by the end of the run. */
  'worker.generator.started': { readonly step: number; readonly attempt: number; readonly model: string };
  'worker.generator.completed': {
    readonly step: number;
    readonly attempts: number;
    readonly model: string;
    /** At most 64 KiB of it: all of it is in the deltas. */
    readonly text: string;
  };
  'worker.generator.failed': {
    readonly step: number;
    readonly attempt: number;
    readonly error: string;
    /** When the next attempt is made, in milliseconds from now; null where there is none. */
    readonly retry_in_ms: number | null;
    /** What stands of the step's text, in bytes; what the attempt said beyond that is about to be said anew. */
    readonly text_to: number;
  };
  /** What tools gave back in earlier steps was shortened, so that the conversation fits the model (ours). */
  'worker.history.shortened': {
    readonly step: number;
    readonly results: number;
    readonly bytes_before: number;
    readonly bytes_after: number;
  };
  'worker.generator.stream.completed': { readonly source: 'worker.generator'; readonly step: number };
  'worker.generator.stream.error': {
    readonly source: 'worker.generator';
    readonly step: number;
    readonly error: string;
  };
  'code_agent.session.started': { readonly task: string; readonly budget: number; readonly place: CodePlace };
  'code_agent.step.started': { readonly step: number; readonly budget_remaining: number };
  /** A piece of code is to be run in the run's container, which only the core can make (ours). It answers by a command. */
  'code_agent.execution.wanted': {
    readonly request_id: string;
    readonly code_type: string;
    readonly code: string;
  };
  /** A command is to be run in a container of the session, which only the core reaches (ours). It answers by a command. */
  'runner.container.command.wanted': {
    readonly request_id: string;
    /** Name or id. */
    readonly container: string;
    readonly command: string;
    readonly timeout_ms: number;
  };
  'code_agent.step.response': { readonly step: number; readonly action: string; readonly thoughts: string };
  'code_agent.step.execution': {
    readonly step: number;
    /** Its language: `python`, `bash`, `javascript`. */
    readonly code_type: string;
    readonly code: string;
    readonly status: 'ok' | 'error';
    /** At most 64 KiB, and says so where it is cut. */
    readonly output: string;
    readonly error: string;
    readonly message: string;
    readonly return_code: number | null;
  };
  'code_agent.step.completed': {
    readonly step: number;
    readonly status: 'ok' | 'error';
    readonly thoughts: string;
  };
  'code_agent.session.completed': {
    readonly completion_reason: 'DONE' | 'FAIL' | 'BUDGET_EXHAUSTED';
    readonly steps_executed: number;
    readonly budget: number;
    readonly summary: string;
  };
  'runner.step.agent_response': {
    readonly step: number;
    readonly action: string;
    readonly exec_code: string;
    readonly normalized_action: string;
    readonly info: Readonly<Record<string, unknown>>;
  };
  'runner.step.execution.started': {
    readonly step: number;
    readonly mode: 'controller_execute';
    readonly exec_code: string;
  };
  /** At most ten a second for a run; `to` only grows. */
  'runner.step.output': {
    readonly step: number;
    readonly terminal_id: string;
    readonly from: number;
    readonly to: number;
  };
  /** With an agent: its task's output has grown. */
  'runner.task.output': {
    readonly step: number;
    readonly task_id: string;
    readonly from: number;
    readonly to: number;
  };
  /** With the engine `container`: its container has printed more. At most ten a second. */
  'runner.container.output': {
    readonly step: number;
    readonly container_id: string;
    readonly from: number;
    readonly to: number;
  };
  /** With an agent: how far it says it is, 0 to 1. */
  'runner.step.progress': {
    readonly step: number;
    readonly progress: number;
    readonly message: string | null;
  };
  'runner.step.execution.completed': {
    readonly step: number;
    readonly mode: 'controller_execute';
    readonly did_click: false;
    readonly result: StepExecutionResult | TaskExecutionResult;
  };
  'runner.step.completed': {
    readonly step: number;
    readonly status: 'in_progress' | 'success' | 'failed';
    readonly action: string;
    readonly completion_reason: 'DONE' | 'FAIL' | null;
  };
  /** What a model or a coding agent says and thinks, as it comes; `source` is the contract's, `worker.generator`. */
  'worker.generator.output.delta': Omit<ModelDelta, 'source'> & {
    /** `runner.step` (ours): on a backend, what a program of the step has printed, without its control sequences. */
    readonly source: ModelDelta['source'] | 'runner.step';
    /** Bytes (UTF-8) of the step's text with this piece. */
    readonly to: number;
  };
  'worker.generator.reasoning.delta': ModelDelta;
  /** A tool is called; `server` is the agent itself where the tool is its own. `call_id` and `arguments` are ours. */
  'mcp.call.started': ToolCallFacts & { readonly arguments: unknown };
  'mcp.call.completed': ToolCallFacts & { readonly response: unknown };
  'mcp.call.failed': ToolCallFacts & { readonly error: string };
  /** Asked for, and never made: it is not among the run's tools, or its provider wants to be signed in to. */
  'mcp.call.skipped': ToolCallFacts & { readonly reason: ToolRefusal };
  /** The coding agent's own session and model, as soon as it tells them (ours). */
  'runner.conversation': { readonly conversation_id: string; readonly model: string | null };
  /** Tokens and cost since the last one (ours). */
  'runner.usage': {
    readonly input_tokens: number;
    readonly output_tokens: number;
    /** US dollars; null where nobody says. */
    readonly cost_usd: number | null;
  };
  'runner.abort.requested': { readonly reason: string };
  'runner.completed': {
    readonly status: RunnerResult['status'];
    readonly completion_reason: RunnerResult['completion_reason'];
    readonly steps: number;
  };
  response: RunnerResult;
  'response.completed': {
    readonly status: RunnerResult['status'];
    readonly completion_reason: RunnerResult['completion_reason'];
    readonly outcome: Exclude<RunStatus, 'queued' | 'running'>;
  };
  /** Only for what is no result: the worker crashed, the host was lost, the shell could not be started. */
  'response.failed': { readonly error: string; readonly reason: string };
  error: { readonly error: string; readonly reason: string };
}

export interface UnavailableTools {
  readonly provider: string;
  /** One of its tools; null for all of them. */
  readonly tool: string | null;
  readonly reason: ToolRefusal;
}

export type CodePlace = 'container' | 'terminal';

interface ModelDelta {
  readonly source: 'worker.generator';
  readonly step: number;
  /** At most 64 KiB; joined up to 16 ms. */
  readonly text: string;
}

interface ToolCallFacts {
  readonly step: number;
  readonly server: string;
  readonly tool: string;
  /** One call's events have the same. */
  readonly call_id: string;
}

export type RunEventType = keyof RunEventData;

export interface StepExecutionResult {
  /** Null when the step did not end by itself. */
  readonly exit_code: number | null;
  readonly duration_ms: number;
  /** Null where the program had no terminal: one in a container. */
  readonly terminal_id: string | null;
  readonly output_from: number | null;
  readonly output_to: number | null;
  readonly outcome: 'succeeded' | 'failed' | 'cancelled' | 'timed_out';
}

/** With an agent: the output is in its task. */
export interface TaskExecutionResult extends Omit<StepExecutionResult, 'terminal_id'> {
  readonly task_id: string;
}

/** A run's event together with its type, for a switch that the compiler checks. */
export type RunEvent = {
  readonly [T in RunEventType]: { readonly type: T; readonly data: RunEventData[T] };
}[RunEventType];

/** What `workers/shell` is started with (`StartWorkerOptions.spec` of kind `shell`). */
export interface ShellRunSpec {
  readonly runId: string;
  readonly task: string;
  readonly commands: readonly string[];
  /** Absolute path. */
  readonly shell: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly cols: number;
  readonly rows: number;
  readonly timeoutMs: number | null;
  readonly platform: string;
}
