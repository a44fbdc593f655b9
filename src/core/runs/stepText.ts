import type { EventLog } from '../events/eventLog.ts';
import { countOf, textOf } from './runPayloads.ts';

/** The event of a run that carries what its coding agent or its model has said. */
export const stepTextType = 'worker.generator.output.delta';
/** The event that takes back what was said in an answer that broke off. */
export const textTakenBackType = 'worker.generator.failed';

const page = 256;

/**
 * What a coding agent or a model has said in a step, from a byte on (UTF-8): at most `maxBytes`, none where there is no more. The
 * text stands in the run's events, so they are gone through from the first one.
 */
export function readStepText(
  events: Pick<EventLog, 'read'>,
  runId: string,
  step: number,
  { from, maxBytes }: { readonly from: number; readonly maxBytes: number },
): Uint8Array {
  const wanted = new Uint8Array(maxBytes);
  let filled = 0;
  // What an attempt says may be taken back until it is through.
  let isAttempt = false;
  for (let after = 0; filled < maxBytes || isAttempt; ) {
    const read = events.read({ after, limit: page, runId });
    for (const { type, data } of read) {
      const isOfStep = countOf(data, 'step') === step;
      if (isOfStep && type === 'worker.generator.started') isAttempt = true;
      if (isOfStep && type === 'worker.generator.completed') isAttempt = false;
      if (isOfStep && type === textTakenBackType) {
        isAttempt = false;
        filled = Math.min(filled, Math.max(0, (countOf(data, 'text_to') ?? Infinity) - from));
        continue;
      }
      const to = countOf(data, 'to');
      if (type !== stepTextType || !isOfStep || to === undefined) continue;
      if (to <= from + filled) continue;
      const bytes = new TextEncoder().encode(textOf(data, 'text') ?? '');
      const rest = bytes.subarray(Math.max(0, from + filled - (to - bytes.length)));
      const taken = rest.subarray(0, maxBytes - filled);
      wanted.set(taken, filled);
      filled += taken.length;
    }
    const last = read.at(-1);
    if (last === undefined || read.length < page) break;
    after = last.sequence;
  }
  return wanted.slice(0, filled);
}
