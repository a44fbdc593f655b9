import * as z from 'zod/mini';
import type { Run, RunnerResult } from '../../../core/runs/run.ts';
import { resultFromState } from '../../../core/runs/runResult.ts';
import { anyRecord } from '../../../protocol/daemon/shapes.ts';

export const runStatuses = ['queued', 'running', 'succeeded', 'failed', 'cancelled', 'timed_out'] as const;

/** A run as `/orchestrate/runs` tells of it. Times are ISO 8601. */
export const runView = z.object({
  run_id: z.string(),
  session_id: z.string(),
  task: z.string(),
  engine: z.string(),
  status: z.enum(runStatuses),
  /** An abort was asked for and is under way. */
  aborting: z.boolean(),
  created_at: z.string(),
  started_at: z.nullable(z.string()),
  ended_at: z.nullable(z.string()),
  /** From 1, while it waits for its turn. */
  queue_position: z.nullable(z.number()),
  requested_by: z.nullable(z.string()),
  /** `run_id` of the request. */
  client_run_id: z.nullable(z.string()),
  retry_of: z.nullable(z.string()),
  usage: z.nullable(z.object({ input_tokens: z.number(), output_tokens: z.number(), cost_usd: z.number() })),
  error: z.nullable(z.object({ reason: z.string(), message: z.string() })),
  steps: z.array(
    z.object({
      step_index: z.number(),
      action: z.string(),
      status: z.string(),
      exit_code: z.nullable(z.number()),
      duration_ms: z.nullable(z.number()),
    }),
  ),
});
export type RunView = z.infer<typeof runView>;

/** `RunnerResult` of contract 004. */
export const resultView = z.object({
  run_id: z.string(),
  task: z.string(),
  status: z.enum(['success', 'failed', 'timeout']),
  completion_reason: z.enum(['DONE', 'FAIL', 'MAX_STEPS_REACHED']),
  outcome: z.string(),
  steps: z.array(anyRecord),
  grounding_prompts: anyRecord,
});

export function viewOf(run: Run, queuePosition: number | undefined): RunView {
  const { id, sessionId, request, status, isAborting, createdAt, startedAt, endedAt, retryOf, usage, error } =
    run;
  const clientRunId = request.metadata?.['client_run_id'];
  return {
    run_id: id,
    session_id: sessionId,
    task: request.task,
    engine: request.engine ?? 'shell',
    status,
    aborting: isAborting,
    created_at: isoDate(createdAt),
    started_at: startedAt === undefined ? null : isoDate(startedAt),
    ended_at: endedAt === undefined ? null : isoDate(endedAt),
    queue_position: queuePosition ?? null,
    requested_by: request.requestedBy ?? null,
    client_run_id: typeof clientRunId === 'string' ? clientRunId : null,
    retry_of: retryOf ?? null,
    usage:
      usage === undefined
        ? null
        : {
            input_tokens: usage.inputTokens,
            output_tokens: usage.outputTokens,
            cost_usd: usage.costUsd,
          },
    error: error === undefined ? null : { reason: error.reason, message: error.message },
    steps: run.steps.map((step) => ({
      step_index: step.index,
      action: step.command,
      status: step.status,
      exit_code: step.exitCode ?? null,
      duration_ms: step.durationMs ?? null,
    })),
  };
}

/** Of an ended run: its result, or what its steps amount to where it failed without one. */
export function resultOf(run: Run): RunnerResult {
  return run.result ?? resultFromState(run, 'failed');
}

function isoDate(time: number): string {
  return new Date(time).toISOString();
}
