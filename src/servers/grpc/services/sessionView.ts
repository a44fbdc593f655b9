import type { Orchestrator } from '../../../core/orchestrator.ts';
import type { Message } from '../../../core/sessions/message.ts';
import type { Session } from '../../../core/sessions/session.ts';
import { mayTouch, permissionDenied } from '../../../core/terminals/owners.ts';
import type { Session as SessionMessage } from '../../../protocol/gen/orchestrator/v1/orchestrator.ts';
import type { CallContext } from '../rpcHandlers.ts';
import { sessionMessage } from './sessionMessages.ts';

/** How much of what was said an answer shows, the newest: characters, and messages of the one session or of each. */
const mostCharacters = 8 * 1024 * 1024;
const mostMessages = 1_000;
const mostOfEach = 10;

/** A session as `GetSession` and its like show it. */
export function showSession(orchestrator: Orchestrator, session: Session): SessionMessage {
  const containers = orchestrator.containers.list({ sessionId: session.id });
  return sessionMessage(session, { messages: newestMessages(orchestrator, session.id), containers });
}

/** Many at once: each with the last ten things that were said in it. */
export function showSessions(orchestrator: Orchestrator, sessions: readonly Session[]): SessionMessage[] {
  const containers = Map.groupBy(orchestrator.containers.list(), ({ sessionId }) => sessionId);
  let left = mostCharacters;
  return sessions.map((session) => {
    const messages = withinBudget(
      orchestrator.messages.list({ sessionId: session.id, last: mostOfEach }),
      left,
    );
    left -= lengthOf(messages);
    return sessionMessage(session, { messages, containers: containers.get(session.id) ?? [] });
  });
}

/** The owner of a session that is no agent's is a person. Error: `permission_denied`. */
export function checkMayChange({ id, owner }: Session, { principal }: CallContext): void {
  if (!mayTouch(principal, owner)) throw permissionDenied(principal, `session ${id}`);
}

/** Read in growing pieces, so that long messages are not all fetched to be left out. */
function newestMessages({ messages }: Orchestrator, sessionId: string): readonly Message[] {
  for (let last = 16; ; last *= 4) {
    const found = messages.list({ sessionId, last: Math.min(last, mostMessages) });
    const shown = withinBudget(found, mostCharacters);
    if (shown.length < found.length || found.length < last) return shown;
  }
}

/** The newest of them that have room. */
function withinBudget(messages: readonly Message[], budget: number): readonly Message[] {
  let left = budget;
  const first = messages.findLastIndex(({ content }) => (left -= content.length) < 0);
  return messages.slice(first + 1);
}

function lengthOf(messages: readonly Message[]): number {
  return messages.reduce((sum, { content }) => sum + content.length, 0);
}
