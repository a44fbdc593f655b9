import { invalidRequest } from '../../core/text.ts';
import type { ToolContext, WorkbenchTool } from './tool.ts';
import { abortRun, getRun, listRuns, runTask } from './tools/runTools.ts';
import { closeSession, listSessions } from './tools/sessionTools.ts';
import { killTerminal, listTerminals, readTerminal } from './tools/terminalTools.ts';
import { ToolCalls } from './toolCalls.ts';

/** Few enough that an editor can offer them with every request. */
export type LanguageModelToolName =
  | 'orchestrator_run_task'
  | 'orchestrator_read_output'
  | 'orchestrator_list_sessions'
  | 'orchestrator_stop';

type Input = Readonly<Record<string, unknown>>;
type Call = (tool: WorkbenchTool, args: Input) => Promise<Record<string, unknown>>;

/** Calls one of the few by the tools that MCP clients have; its answer as plain JSON. Errors: theirs. */
export async function callLanguageModelTool(
  name: LanguageModelToolName,
  input: Input,
  context: ToolContext,
): Promise<Record<string, unknown>> {
  const calls = new ToolCalls(context.limits.callsAtATime);
  const call: Call = (tool, args) => calls.call(tool, args, context);
  switch (name) {
    case 'orchestrator_run_task':
      return call(runTask, input);
    case 'orchestrator_read_output':
      return readOutput(input, call);
    case 'orchestrator_list_sessions': {
      const limit = 20;
      const [sessions, terminals, runs] = await Promise.all([
        call(listSessions, { limit }),
        call(listTerminals, { limit }),
        call(listRuns, { only_live: true, limit }),
      ]);
      return { sessions: sessions['sessions'], terminals: terminals['terminals'], live_runs: runs['runs'] };
    }
    case 'orchestrator_stop':
      return stop(input, call);
  }
}

function readOutput(input: Input, call: Call): Promise<Record<string, unknown>> {
  const { run_id, terminal_id, ...rest } = input;
  if (only(input) === 'run_id') return call(getRun, { run_id, ...rest });
  if (only(input) === 'terminal_id') return call(readTerminal, { terminal_id, ...rest });
  throw invalidRequest('Give run_id or terminal_id.');
}

function stop(input: Input, call: Call): Promise<Record<string, unknown>> {
  const { run_id, terminal_id, session_id } = input;
  switch (only(input)) {
    case 'run_id':
      return call(abortRun, { run_id });
    case 'terminal_id':
      return call(killTerminal, { terminal_id });
    case 'session_id':
      return call(closeSession, { session_id });
  }
}

const targets = ['run_id', 'terminal_id', 'session_id'] as const;

/** What the input names. Error: `invalid_request` where that is not exactly one thing. */
function only(input: Input): (typeof targets)[number] {
  const [first, second] = targets.filter((target) => input[target] !== undefined);
  if (first !== undefined && second === undefined) return first;
  throw invalidRequest('Give exactly one of run_id, terminal_id and session_id.');
}
