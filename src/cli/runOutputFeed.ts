import type { RunReport } from '../core/orchestratorAccess.ts';
import type { RunEvent } from '../core/runs/runEvents.ts';
import type { RunOutput } from './output/runOutput.ts';

/** Tells `output` what one event of a run says of terminals and steps. */
export function feedRunOutput(output: RunOutput, stored: RunReport): void {
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
      const { result } = event.data;
      // The output of an agent is in no terminal.
      if (!('terminal_id' in result)) break;
      output.stepReaches(event.data.step, result.terminal_id, result.output_from, result.output_to, true);
      break;
    }
    default:
      break;
  }
}
