import type { ContainerTaskEventData } from '../containerTasks/containerTaskEvents.ts';
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
  'runner.step.started': { readonly step: number };
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
  'worker.generator.output.delta': ModelDelta & {
    /** Bytes (UTF-8) of the step's text with this piece. */
    readonly to: number;
  };
  'worker.generator.reasoning.delta': ModelDelta;
  /** A tool is called; `server` is the agent itself where the tool is its own. `call_id` and `arguments` are ours. */
  'mcp.call.started': ToolCallFacts & { readonly arguments: unknown };
  'mcp.call.completed': ToolCallFacts & { readonly response: unknown };
  'mcp.call.failed': ToolCallFacts & { readonly error: string };
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
