import { clipped, cut, pieceBytes } from '../../base/clip.ts';
import type { Run, RunnerResult, RunnerStep } from './run.ts';
import { contractEnding, resultFromState, type RunOutcome } from './runResult.ts';
import { type Data, isRecord, outcomeOf, textOf } from './runPayloads.ts';

const stepLimit = 1_000;
/** Of all steps together: the result is stored with its run. */
const stepsBytes = 1024 * 1024;

/**
 * What a foreign ending means; undefined where its words are none of the contract's (contract 004, sections 1 and 4).
 * `completed` is its source's word after a clean exit.
 */
export function foreignOutcome(data: Data): RunOutcome | undefined {
  const known = outcomeOf(data);
  if (known !== undefined) return known;
  switch (data['status']) {
    case 'success':
    case 'completed':
      return 'succeeded';
    // `attention`: it is handed back to a person.
    case 'failed':
    case 'error':
    case 'attention':
      return 'failed';
    case 'timeout':
      return 'timed_out';
    default:
      return undefined;
  }
}

/** Whether an ending says more than the contract's words do: a person should see it as it came. */
export function hasForeignWords(data: Data): boolean {
  const { status, completion_reason: reason } = data;
  const isKnownReason =
    reason === undefined || reason === 'DONE' || reason === 'FAIL' || reason === 'MAX_STEPS_REACHED';
  return !isKnownReason || (status !== 'success' && status !== 'failed' && status !== 'timeout');
}

/** A foreign result as one of ours: what it lacks is empty, and what is too big is cut. */
export function foreignResult(run: Run, data: Data): RunnerResult {
  const outcome = foreignOutcome(data) ?? 'failed';
  const given = Array.isArray(data['steps']) ? data['steps'].filter(isRecord).slice(0, stepLimit) : [];
  const room = { left: stepsBytes };
  return {
    ...resultFromState(run, outcome),
    ...contractEnding(outcome),
    steps: given.map((step, index) => foreignStep(step, index + 1, room)),
    grounding_prompts: objectWithin(data['grounding_prompts'], room),
  };
}

function foreignStep(data: Data, number: number, room: { left: number }): RunnerStep {
  const index = data['step_index'];
  const text = (key: string): string => textWithin(data[key], room) ?? '';
  const maybe = (key: string): string | null => textWithin(data[key], room) ?? null;
  return {
    step_index: Number.isSafeInteger(index) ? Number(index) : number,
    plan: text('plan'),
    action: text('action'),
    exec_code: text('exec_code'),
    execution_result: objectWithin(data['execution_result'], room),
    reflection: maybe('reflection'),
    reflection_thoughts: maybe('reflection_thoughts'),
    info: objectWithin(data['info'], room),
    behavior_fact_thoughts: maybe('behavior_fact_thoughts'),
    behavior_fact_answer: maybe('behavior_fact_answer'),
    action_kind: textOf(data, 'action_kind') === 'mcp' ? 'mcp' : 'gui',
  };
}

function textWithin(value: unknown, room: { left: number }): string | undefined {
  if (typeof value !== 'string') return undefined;
  const text = cut(value, Math.min(pieceBytes, Math.max(0, room.left)));
  room.left -= text.length;
  return text;
}

function objectWithin(value: unknown, room: { left: number }): Data {
  if (!isRecord(value) || room.left <= 0) return {};
  const bytes = JSON.stringify(value).length;
  if (bytes > room.left) return { cut: `${bytes} characters are left out.` };
  const kept = clipped(value);
  room.left -= Math.min(bytes, pieceBytes);
  return isRecord(kept) ? kept : { cut: kept };
}
