import type { OrchestratorEvent } from '../../../core/events/event.ts';
import { reduceRun } from '../../../core/runs/reducer.ts';
import type { Run, RunStepState } from '../../../core/runs/run.ts';
import { countOf, textOf } from '../../../core/runs/runPayloads.ts';

/** Bytes of a chunk at most. */
export const chunkBytes = 32 * 1024;
/** Characters of the end of what an agent said that are kept for the result. */
const tailLimit = 16 * 1024;

export type OutputPlace =
  | { readonly terminalId: string }
  | { readonly taskId: string }
  | { readonly containerId: string };

/** Where output stands, and what of it an event has added. */
export interface OutputRange {
  readonly place: OutputPlace;
  /** From 1. */
  readonly step: number;
  /** Where the step's output begins. */
  readonly start: number;
  readonly from: number;
  readonly to: number;
  /** The step has ended: what is left of a character that was cut comes too. */
  readonly isLast: boolean;
}

/** What the log tells of a run up to one of its events. */
export interface RunFacts {
  readonly run: Run;
  readonly hasBegun: boolean;
  /** How many chunks came before those of the last event. */
  readonly firstChunk: number;
  /** How many there were with it. */
  readonly chunks: number;
  /** What the last event added to its output. */
  readonly added: OutputRange | undefined;
  /** The end of what a model or a coding agent has said. */
  readonly said: string;
}

/** Pure, but for the request of the run, which never changes. Undefined for a run that was removed. */
export function reduceRunFacts(
  before: RunFacts | undefined,
  event: OrchestratorEvent,
  find: (id: string) => Run | undefined,
): RunFacts | undefined {
  const { type, data, runId } = event;
  const facts = before ?? firstFacts(runId === undefined ? undefined : find(runId));
  if (facts === undefined) return undefined;
  const run = reduceRun(facts.run, event);
  const added = addedBy(facts.run, run, event);
  const isText = type === 'worker.generator.output.delta' || type === 'worker.generator.reasoning.delta';
  const count = isText ? 1 : added === undefined ? 0 : Math.ceil((added.to - added.from) / chunkBytes);
  return {
    run,
    hasBegun: facts.hasBegun || type === 'response.in_progress',
    firstChunk: facts.chunks,
    chunks: facts.chunks + count,
    added,
    said:
      type === 'worker.generator.output.delta'
        ? (facts.said + (textOf(data, 'text') ?? '')).slice(-tailLimit)
        : facts.said,
  };
}

/** The run as it was before its first event. */
function firstFacts(stored: Run | undefined): RunFacts | undefined {
  if (stored === undefined) return undefined;
  const { id, sessionId, request, createdAt, retryOf, taskId } = stored;
  const steps = stored.steps.map(({ index, command }) => ({ index, command, status: 'pending' as const }));
  return {
    run: {
      id,
      sessionId,
      request,
      createdAt,
      retryOf,
      taskId,
      steps,
      status: 'queued',
      isAborting: false,
      terminalIds: [],
    },
    hasBegun: false,
    firstChunk: 0,
    chunks: 0,
    added: undefined,
    said: '',
  };
}

function addedBy(before: Run, after: Run, { type, data }: OrchestratorEvent): OutputRange | undefined {
  const isLast = type === 'runner.step.execution.completed';
  if (!isLast && !growing.has(type)) return undefined;
  const step = countOf(data, 'step') ?? 0;
  const state = after.steps[step - 1];
  const output = state === undefined ? undefined : placeOf(state);
  if (output === undefined) return undefined;
  const known = before.steps[step - 1];
  const last = known === undefined ? undefined : placeOf(known);
  const from = last !== undefined && last.key === output.key ? last.to : output.from;
  if (from === output.to && !isLast) return undefined;
  return { place: output.place, step, start: output.from, from, to: output.to, isLast };
}

const growing: ReadonlySet<string> = new Set([
  'runner.step.output',
  'runner.task.output',
  'runner.container.output',
]);

/** Where a step's output stands, as far as it has printed any. */
export function placeOf({
  output,
  taskOutput,
  containerOutput,
}: RunStepState):
  | { readonly key: string; readonly place: OutputPlace; readonly from: number; readonly to: number }
  | undefined {
  if (output !== undefined) {
    const { terminalId, from, to } = output;
    return { key: terminalId, place: { terminalId }, from, to };
  }
  if (taskOutput !== undefined) {
    const { taskId, from, to } = taskOutput;
    return { key: taskId, place: { taskId }, from, to };
  }
  if (containerOutput === undefined) return undefined;
  const { containerId, from, to } = containerOutput;
  return { key: containerId, place: { containerId }, from, to };
}
