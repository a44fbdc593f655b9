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
    case 'worker.generator.output.delta':
      output.addText(event.data.step, event.data.text);
      break;
    case 'worker.generator.failed': {
      // What is printed stays printed.
      const { step, retry_in_ms } = event.data;
      if (retry_in_ms !== null) output.breakText(step);
      break;
    }
    case 'runner.step.execution.completed': {
      const { result } = event.data;
      // The output of an agent is in no terminal, nor is that of a program in a container.
      if (!('terminal_id' in result)) break;
      const { terminal_id, output_from, output_to } = result;
      if (terminal_id === null || output_from === null || output_to === null) break;
      output.stepReaches(event.data.step, terminal_id, output_from, output_to, true);
      break;
    }
    default:
      break;
  }
}
