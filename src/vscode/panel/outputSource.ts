import type { Orchestrator } from '../../core/orchestrator.ts';
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
  { terminals, tasks }: Pick<Orchestrator, 'terminals' | 'tasks'>,
  source: OutputSource,
  from: number,
  to: number,
): Promise<OutputPiece> {
  if ('terminalId' in source) return await terminals.read(source.terminalId, from, to);
  const chunks = tasks.readOutput(source.taskId, from);
  const start = chunks[0]?.offset ?? from;
  const data = Buffer.concat(chunks.map((chunk) => chunk.data));
  return { from: start, data: data.subarray(0, Math.max(0, to - start)) };
}
