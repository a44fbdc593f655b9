import type { ContainerStepOutput, RunnerResult, RunStepMode, StepOutput, TaskStepOutput } from './run.ts';
import type { StepExecutionResult } from './runEvents.ts';

/**
 * Payloads of a run's events come from a worker, thus from outside: each reader answers undefined for what has not the
 * shape of runEvents.ts, and never throws.
 */
export type Data = Readonly<Record<string, unknown>>;

export interface ReportedTerminal {
  readonly id: string;
  readonly shell: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly cols: number;
  readonly rows: number;
  readonly pid: number;
}

export interface ExecutionResult {
  readonly outcome: StepExecutionResult['outcome'];
  readonly exitCode: number | null;
  readonly durationMs: number | undefined;
  readonly output: StepOutput | undefined;
}

export function textOf(data: Data, key: string): string | undefined {
  const value = data[key];
  return typeof value === 'string' ? value : undefined;
}

export function flagOf(data: Data, key: string): boolean | undefined {
  const value = data[key];
  return typeof value === 'boolean' ? value : undefined;
}

/** A whole number from 0. */
export function countOf(data: Data, key: string): number | undefined {
  const value = data[key];
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

/** A finite number from 0. */
export function amountOf(data: Data, key: string): number | undefined {
  const value = data[key];
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;
}

export function commandsOf(data: Data): readonly string[] | undefined {
  const value = data['commands'];
  return isTextArray(value) && value.length > 0 ? value : undefined;
}

export function stepModeOf(data: Data): RunStepMode | undefined {
  const mode = data['mode'];
  if (mode !== 'marks' && mode !== 'process') return undefined;
  return { mode, reason: textOf(data, 'reason') ?? null };
}

export function outputOf(data: Data): StepOutput | undefined {
  const terminalId = textOf(data, 'terminal_id');
  const from = countOf(data, 'from');
  const to = countOf(data, 'to');
  if (terminalId === undefined || from === undefined || to === undefined || to < from) return undefined;
  return { terminalId, from, to };
}

export function taskOutputOf(data: Data): TaskStepOutput | undefined {
  const taskId = textOf(data, 'task_id');
  const from = countOf(data, 'from');
  const to = countOf(data, 'to');
  if (taskId === undefined || from === undefined || to === undefined || to < from) return undefined;
  return { taskId, from, to };
}

export function containerOutputOf(data: Data): ContainerStepOutput | undefined {
  const containerId = textOf(data, 'container_id');
  const from = countOf(data, 'from');
  const to = countOf(data, 'to');
  if (containerId === undefined || from === undefined || to === undefined || to < from) return undefined;
  return { containerId, from, to };
}

/** From 0 to 1. */
export function shareOf(data: Data, key: string): number | undefined {
  const value = data[key];
  return typeof value === 'number' && value >= 0 && value <= 1 ? value : undefined;
}

export function executionResultOf(value: unknown): ExecutionResult | undefined {
  if (!isRecord(value)) return undefined;
  const { outcome } = value;
  const exitCode = value['exit_code'];
  if (outcome !== 'succeeded' && outcome !== 'failed' && outcome !== 'cancelled' && outcome !== 'timed_out') {
    return undefined;
  }
  const duration = value['duration_ms'];
  return {
    outcome,
    exitCode: typeof exitCode === 'number' && Number.isSafeInteger(exitCode) ? exitCode : null,
    durationMs: typeof duration === 'number' && duration >= 0 ? duration : undefined,
    output: outputOf({
      terminal_id: value['terminal_id'],
      from: value['output_from'],
      to: value['output_to'],
    }),
  };
}

export function outcomeOf(data: Data): RunnerResult['outcome'] | undefined {
  const { outcome } = data;
  return outcome === 'succeeded' || outcome === 'failed' || outcome === 'cancelled' || outcome === 'timed_out'
    ? outcome
    : undefined;
}

/** The result as the worker sent it; only what the core itself relies on is checked. */
export function resultOf(data: Data): RunnerResult | undefined {
  const isResult =
    outcomeOf(data) !== undefined &&
    (data['status'] === 'success' || data['status'] === 'failed' || data['status'] === 'timeout') &&
    typeof data['completion_reason'] === 'string' &&
    Array.isArray(data['steps']) &&
    data['steps'].every(isRecord);
  return isResult ? (data as unknown as RunnerResult) : undefined;
}

export function terminalOf(data: Data): ReportedTerminal | undefined {
  const id = textOf(data, 'terminal_id');
  const shell = textOf(data, 'shell');
  const cwd = textOf(data, 'cwd');
  const cols = countOf(data, 'cols');
  const rows = countOf(data, 'rows');
  if (id === undefined || shell === undefined || cwd === undefined) return undefined;
  if (cols === undefined || rows === undefined) return undefined;
  const args = data['args'];
  return { id, shell, args: isTextArray(args) ? args : [], cwd, cols, rows, pid: countOf(data, 'pid') ?? 0 };
}

export function isRecord(value: unknown): value is Data {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTextArray(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
