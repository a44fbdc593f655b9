import { OrchestratorError } from '../../../base/errors.ts';
import type { Run, RunStepState } from '../../../core/runs/run.ts';
import { fitHead, fitTail } from '../plainOutput.ts';
import type { ToolContext } from '../tool.ts';

export interface StepReading {
  /** From 1; null where the run has none. */
  readonly step: number | null;
  readonly text: string;
  /** Bytes of the step before the text … */
  readonly from: number;
  /** … and to its end. */
  readonly to: number;
}

/** Beyond the output of every step: what is read there only tells how much there is. */
const beyond = 2 ** 48;
/** Room for what is said of the run beside its output. */
const outputShare = 0.5;

/** What a step printed after so many bytes, as much as one result holds. Error: `invalid_request` for no such step. */
export async function readStep(
  run: Pick<Run, 'id'>,
  step: number,
  skip: number,
  { orchestrator, limits }: ToolContext,
): Promise<StepReading> {
  const { data, position } = await orchestrator.readStepOutput(run.id, step, skip);
  const { text, taken } = fitHead(data, limits.textBytes * outputShare);
  return { step, text, from: position, to: position + taken };
}

/** The end of what the last step has printed that printed anything and still has it. */
export async function tailOfSteps(run: Run, call: ToolContext): Promise<StepReading> {
  for (const { index } of run.steps.filter(hasBegun).slice(-5).reverse()) {
    try {
      const tail = await tailOfStep(run, index, call);
      if (tail !== undefined) return tail;
    } catch (error) {
      // Its terminal or container was removed: the run can still be reported on.
      if (OrchestratorError.from(error).code !== 'NOT_FOUND') throw error;
    }
  }
  return { step: null, text: '', from: 0, to: 0 };
}

/** Undefined where it has printed nothing. */
async function tailOfStep(
  { id }: Pick<Run, 'id'>,
  step: number,
  { orchestrator, limits }: ToolContext,
): Promise<StepReading | undefined> {
  const limitBytes = limits.textBytes * outputShare;
  const { total } = await orchestrator.readStepOutput(id, step, beyond);
  if (total === 0) return undefined;
  const from = Math.max(0, Math.floor(total - limitBytes));
  const { data, position } = await orchestrator.readStepOutput(id, step, from);
  const { text, taken } = fitTail(data, limitBytes);
  const to = position + data.length;
  return { step, text, from: to - taken, to };
}

function hasBegun({ status }: RunStepState): boolean {
  return status !== 'pending' && status !== 'skipped';
}
