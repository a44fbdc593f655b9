import { OrchestratorError } from '../../base/errors.ts';
import type { CoreContext } from '../context.ts';
import type { LogTransaction } from '../events/logTransaction.ts';
import { validLabels } from '../labels.ts';
import type { MessageFilter } from '../ports/store.ts';
import { invalidRequest } from '../text.ts';
import type { Message, NewMessage } from './message.ts';
import type { SessionManager } from './sessionManager.ts';
import { touchSession } from './sessionChanges.ts';

const contentLimit = 1_000_000;
const idLimit = 128;

/** What was said in the sessions. It stays in the store: memory does not grow with it. */
export class MessageLog {
  private readonly context: CoreContext;
  private readonly sessions: SessionManager;

  constructor(context: CoreContext, sessions: SessionManager) {
    this.context = context;
    this.sessions = sessions;
  }

  /**
   * Stores a message; an idle session becomes active by it. Errors: `session_not_found`, `session_closed`,
   * `invalid_request`, `message_exists`, `disk_full`.
   */
  append(sessionId: string, message: NewMessage): Message {
    const { ids, clock } = this.context;
    const checked = checkMessage(sessionId, message, ids.hexId(), clock.now());
    this.sessions.get(sessionId);
    return this.store(checked);
  }

  /** One that was checked already (`checkMessage`). Errors: those of `append`. */
  store(message: Message): Message {
    return this.context.log.commit((tx) => this.appendIn(tx, message));
  }

  /** Oldest first. Errors: `session_not_found`, `invalid_request` where `after` names no message of the session. */
  list(filter: MessageFilter): Message[] {
    const { sessionId, after } = filter;
    this.sessions.get(sessionId);
    if (after !== undefined && this.context.store.getMessage(sessionId, after) === undefined) {
      throw invalidRequest(`There is no message ${after} in this session to read on from.`);
    }
    return this.context.store.readMessages(filter);
  }

  find(sessionId: string, id: string): Message | undefined {
    return this.context.store.getMessage(sessionId, id);
  }

  private appendIn(tx: LogTransaction, message: Message): Message {
    const { id, sessionId, role } = message;
    const session = tx.get('session', sessionId);
    if (session === undefined || session.state === 'closed') {
      throw new OrchestratorError(
        'FAILED_PRECONDITION',
        'session_closed',
        'cannot add message to closed session',
      );
    }
    if (this.context.store.getMessage(sessionId, id) !== undefined) {
      throw new OrchestratorError('ALREADY_EXISTS', 'message_exists', `message already in session: ${id}`);
    }
    tx.addMessage(message);
    touchSession(tx, session, this.context.clock.now());
    const correlationId = message.metadata.extra['correlation_id'];
    const scope = { sessionId, correlationId, labels: session.labels };
    tx.report('message.sent', scope, { message_id: id, role });
    return message;
  }
}

/** Error: `invalid_request`. */
export function checkMessage(sessionId: string, message: NewMessage, newId: string, now: number): Message {
  const { id, content, role = 'user', time = now, metadata } = message;
  if (content.length > contentLimit) {
    throw invalidRequest(
      `The message is too long: ${content.length} characters, and at most ${contentLimit} are taken.`,
    );
  }
  if ((id?.length ?? 0) > idLimit)
    throw invalidRequest(`The id of a message has at most ${idLimit} characters.`);
  return {
    id: id === undefined || id === '' ? newId : id,
    sessionId,
    time,
    role,
    content,
    metadata: { ...metadata, extra: validLabels(metadata?.extra, 'message') },
  };
}
