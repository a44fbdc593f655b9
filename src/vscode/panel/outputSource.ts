import { OrchestratorError } from '../../base/errors.ts';
import type { LiveOrchestrator } from '../../core/liveOrchestrator.ts';
import type { Run, StepOutput, TaskStepOutput } from '../../core/runs/run.ts';
import { readStepText } from '../../core/runs/stepText.ts';

/** Where a step's output stands: in a terminal's record, with an agent in its task, with a coding agent in the run's events. */
export type OutputSource = StepOutput | TaskStepOutput | StepText;

interface StepText {
  readonly runId: string;
  readonly step: number;
  readonly from: number;
  readonly to: number;
}

export interface OutputPiece {
  /** Offset of the first byte of `data`; greater than asked when what is older is no longer kept. */
  readonly from: number;
  readonly data: Uint8Array;
}

export function outputSourceOf(
  { id: runId }: Pick<Run, 'id'>,
  { index: step, output, taskOutput, textBytes: to }: Run['steps'][number],
): OutputSource | undefined {
  return output ?? taskOutput ?? (to === undefined ? undefined : { runId, step, from: 0, to });
}

/** Bytes from `from` on, at most up to `to`; none where there are none any more. Errors: those of reading it. */
export async function readOutput(
  orchestrator: Pick<LiveOrchestrator, 'terminals' | 'tasks' | 'events'>,
  source: OutputSource,
  from: number,
  to: number,
): Promise<OutputPiece> {
  if ('terminalId' in source) return await orchestrator.terminals.read(source.terminalId, from, to);
  if ('runId' in source) {
    const read = orchestrator.events.read?.bind(orchestrator.events);
    if (read === undefined) throw shownAtHome('What a coding agent says');
    return { from, data: readStepText({ read }, source.runId, source.step, { from, maxBytes: to - from }) };
  }
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
  throw shownAtHome('What an agent prints');
}

function shownAtHome(what: string): OrchestratorError {
  return new OrchestratorError(
    'FAILED_PRECONDITION',
    'invalid_request',
    `${what} is shown only in a window that serves it, or by orchestrator logs on its machine.`,
  );
}
