import type { OrchestratorEvent } from '../../../core/events/event.ts';
import type { Orchestrator } from '../../../core/orchestrator.ts';
import type { Terminal } from '../../../core/terminals/terminal.ts';
import type {
  WatchTerminalsRequest,
  WatchTerminalsResponse,
} from '../../../protocol/gen/terminal/v1/terminal.ts';
import type { CallContext } from '../rpcHandlers.ts';
import { terminalMessage } from './terminalMessages.ts';
import { dateOf } from './values.ts';

/** The terminals as they stand, then each change after that; or only the changes after a sequence. */
export async function* watchTerminals(
  { events, terminals }: Orchestrator,
  { afterSequence, filter }: WatchTerminalsRequest,
  matches: (terminal: Terminal) => boolean,
  { signal }: CallContext,
): AsyncGenerator<WatchTerminalsResponse, void, undefined> {
  const after = afterSequence ?? events.lastSequence;
  if (afterSequence === undefined) {
    const found = terminals.list().filter(matches).map(terminalMessage);
    yield { payload: { $case: 'snapshot', value: { sequence: after, terminals: found } } };
  }
  const sessionId = filter?.sessionId === '' ? undefined : filter?.sessionId;
  for await (const event of events.follow({ after, sessionId, signal })) {
    const { terminalId } = event;
    if (terminalId === undefined || !event.type.startsWith('terminal.')) continue;
    const terminal = terminals.find(terminalId);
    // Whose a removed one was, nobody knows any more. A client that never heard of it has nothing to remove.
    if (terminal !== undefined && !isShown(event, terminal, matches)) continue;
    yield {
      payload: {
        $case: 'change',
        value: {
          sequence: event.sequence,
          time: dateOf(event.time),
          type: event.type,
          terminalId,
          terminal: terminal === undefined ? undefined : terminalMessage(terminal),
          data: event.data,
        },
      },
    };
  }
}

/** Who asked for live ones only wants to hear of their end too. */
function isShown(
  event: OrchestratorEvent,
  terminal: Terminal,
  matches: (terminal: Terminal) => boolean,
): boolean {
  return matches(event.type === 'terminal.exited' ? { ...terminal, state: 'running' } : terminal);
}
