import { OrchestratorError } from '../../base/errors.ts';
import type { LiveOrchestrator } from '../../core/liveOrchestrator.ts';
import type { Run, StepOutput, TaskStepOutput } from '../../core/runs/run.ts';

/** Where a step's output stands: in a terminal's record, or with an agent in its task. */
export type OutputSource = StepOutput | TaskStepOutput;

export interface OutputPiece {
  /** Offset of the first byte of `data`; greater than asked when what is older is no longer kept. */
  readonly from: number;
  readonly data: Uint8Array;
}

export function outputSourceOf(step: Run['steps'][number]): OutputSource | undefined {
  return step.output ?? step.taskOutput;
}

/** Bytes from `from` on, at most up to `to`; none where there are none any more. Errors: those of reading it. */
export async function readOutput(
  orchestrator: Pick<LiveOrchestrator, 'terminals' | 'tasks'>,
  source: OutputSource,
  from: number,
  to: number,
): Promise<OutputPiece> {
  if ('terminalId' in source) return await orchestrator.terminals.read(source.terminalId, from, to);
  const chunks = agentTasksOf(orchestrator).readOutput(source.taskId, from);
  const start = chunks[0]?.offset ?? from;
  const data = Buffer.concat(chunks.map((chunk) => chunk.data));
  return { from: start, data: data.subarray(0, Math.max(0, to - start)) };
}

/** Error: `failed_precondition` where the agent is registered with another orchestrator. */
export function agentTasksOf({
  tasks,
}: Pick<LiveOrchestrator, 'tasks'>): NonNullable<LiveOrchestrator['tasks']> {
  if (tasks !== undefined) return tasks;
  throw new OrchestratorError(
    'FAILED_PRECONDITION',
    'invalid_request',
    'What an agent prints is shown only in a window that serves it, or by orchestrator logs on its machine.',
  );
}
