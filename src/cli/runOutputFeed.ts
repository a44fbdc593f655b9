import type { Disposable } from '../base/disposable.ts';
import type { OrchestratorEvent } from '../core/events/event.ts';
import type { EventLog } from '../core/events/eventLog.ts';
import type { RunEvent } from '../core/runs/runEvents.ts';
import type { RunOutput } from './output/runOutput.ts';

/**
 * Tells `output` what a run that this process's core runs reports of terminals and steps.
 * @param after the last sequence before the run was started.
 */
export function followRunOutput(
  events: EventLog,
  runId: string,
  after: number,
  output: RunOutput,
): Disposable {
  const handle = (event: OrchestratorEvent): void => {
    if (event.runId === runId) feedRunOutput(output, event);
  };
  // All in one turn, so nothing can come between what is read and what is heard.
  for (const event of events.read({ after, runId, limit: 10_000 })) handle(event);
  return events.onDidAppend(handle);
}

/** Tells `output` what one event of a run says of terminals and steps. */
export function feedRunOutput(output: RunOutput, stored: Pick<OrchestratorEvent, 'type' | 'data'>): void {
  // Events of a run are written by our own programs, with these payloads.
  const event = stored as unknown as RunEvent;
  switch (event.type) {
    case 'runner.terminal':
      output.addTerminal(event.data.terminal_id);
      break;
    case 'runner.step.output': {
      const { step, terminal_id, from, to } = event.data;
      output.stepReaches(step, terminal_id, from, to, false);
      break;
    }
    case 'runner.step.execution.completed': {
      const { terminal_id, output_from, output_to } = event.data.result;
      if (terminal_id === null || output_from === null || output_to === null) break;
      output.stepReaches(event.data.step, terminal_id, output_from, output_to, true);
      break;
    }
    default:
      break;
  }
}

/** Whether a run's log ends with this event. */
export function isLastRunEvent({ type }: Pick<OrchestratorEvent, 'type'>): boolean {
  // response.failed is followed by `error`, with the same payload.
  return type === 'response.completed' || type === 'error';
}
