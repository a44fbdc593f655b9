import { type Disposable, DisposableMap, toDisposable } from '../../base/disposable.ts';
import { Emitter } from '../../base/emitter.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { CoreContext } from '../context.ts';
import type { Message, NewMessage } from '../sessions/message.ts';
import { checkMessage, type MessageLog } from '../sessions/messageLog.ts';
import type { SessionManager } from '../sessions/sessionManager.ts';
import type { Agent } from './agent.ts';
import type { AgentLink, AgentMessage } from './agentLink.ts';
import type { AgentRegistry } from './agentRegistry.ts';

/** Contract 001, section 6: what a session reads when its assistant does not answer in time. */
export const timedOutText = 'Timed out waiting for assistant response.';

/** Joins a question and its answer, among the extra texts of both. */
export const correlationKey = 'correlation_id';

/** Questions that wait for an answer, of all sessions. */
const pendingLimit = 10_000;

interface Question extends Disposable {
  readonly sessionId: string;
  readonly agentId: string;
}

/**
 * Chat: what a person says in a session goes to the agent that is its assistant, and what that one answers is stored
 * and told to everyone who listens to the session. A question of a core that ended is not answered any more.
 */
export class Conversations implements Disposable {
  private readonly context: CoreContext;
  private readonly sessions: SessionManager;
  private readonly messages: MessageLog;
  private readonly agents: AgentRegistry;
  /** By correlation id; each holds the timer of its time limit. */
  private readonly questions = new DisposableMap<string, Question>();
  private readonly listeners = new Map<string, Emitter<Message>>();

  constructor(context: CoreContext, sessions: SessionManager, messages: MessageLog, agents: AgentRegistry) {
    this.context = context;
    this.sessions = sessions;
    this.messages = messages;
    this.agents = agents;
  }

  /**
   * Stores what is said; what a user says is sent to the assistant first, whose answer comes to the listeners. What
   * cannot be sent is not stored. @returns the message, its `correlationId` where it was sent: question and answer both
   * keep it (`correlation_id` of their extra texts).
   * Errors: `session_not_found`, `session_inactive`, `session_expired`, `invalid_request`, `agent_not_found`,
   * `agent_unavailable`, those of storing it.
   */
  say(
    sessionId: string,
    message: NewMessage,
  ): { readonly message: Message; readonly correlationId?: string | undefined } {
    const { ids, clock } = this.context;
    this.sessions.getActive(sessionId);
    const checked = checkMessage(sessionId, message, ids.hexId(), clock.now());
    if (checked.role !== 'user') return { message: this.messages.store(checked) };
    const { agent, link } = this.assistant();
    const correlationId = ids.hexId();
    this.ask(agent, link, checked, correlationId);
    try {
      return { message: this.messages.store(withCorrelation(checked, correlationId)), correlationId };
    } catch (error) {
      this.questions.delete(correlationId);
      throw error;
    }
  }

  /** Whether the answer to what was said is still to come. */
  isWaiting({ metadata }: Message): boolean {
    return this.questions.has(correlationOf(metadata) ?? '');
  }

  /** What was answered to it, if it was asked and is answered. Error: `session_not_found`. */
  findAnswer({ sessionId, id, metadata }: Message): Message | undefined {
    const correlationId = correlationOf(metadata);
    if (correlationId === undefined) return undefined;
    return this.messages
      .list({ sessionId, after: id })
      .find((message) => message.role === 'assistant' && correlationOf(message.metadata) === correlationId);
  }

  /** The agent that answers in every session, if one is connected. */
  findAssistant(): Agent | undefined {
    return this.assistants().find(({ id }) => this.agents.linkOf(id) !== undefined);
  }

  /** Hears of the assistant's answers in a session, in the order in which they are stored. */
  listen(sessionId: string, listener: (message: Message) => void): Disposable {
    let emitter = this.listeners.get(sessionId);
    if (emitter === undefined) {
      emitter = new Emitter((error) => this.context.logger.error('A listener of a session failed', error));
      this.listeners.set(sessionId, emitter);
    }
    const subscription = emitter.event(listener);
    return toDisposable(() => {
      subscription.dispose();
      if (!emitter.hasListeners && this.listeners.get(sessionId) === emitter)
        this.listeners.delete(sessionId);
    });
  }

  /**
   * What an agent sent over its stream. An answer names its question by correlation id, comes from the agent that was
   * asked, and names no other session. @returns whether it was one; what is none is dropped.
   */
  receive(agentId: string, message: AgentMessage): boolean {
    this.agents.touch(agentId);
    const { body, sessionId } = message;
    if (body.kind !== 'data') return false;
    const correlationId = blankToUndefined(message.correlationId) ?? body.headers['correlation_id'];
    const question = correlationId === undefined ? undefined : this.questions.get(correlationId);
    if (correlationId === undefined || question?.agentId !== agentId) return false;
    if (blankToUndefined(sessionId) !== undefined && sessionId !== question.sessionId) return false;
    return this.answer(correlationId, question.sessionId, new TextDecoder().decode(body.data));
  }

  dispose(): void {
    this.questions.dispose();
    for (const emitter of this.listeners.values()) emitter.dispose();
    this.listeners.clear();
  }

  private assistant(): { readonly agent: Agent; readonly link: AgentLink } {
    const candidates = this.assistants();
    const agent = candidates.find(({ id }) => this.agents.linkOf(id) !== undefined);
    const link = agent === undefined ? undefined : this.agents.linkOf(agent.id);
    if (agent !== undefined && link !== undefined) return { agent, link };
    throw candidates.length === 0
      ? new OrchestratorError('NOT_FOUND', 'agent_not_found', 'assistant agent not found')
      : new OrchestratorError('UNAVAILABLE', 'agent_unavailable', 'assistant agent stream not connected');
  }

  /** By name or by label, the smallest id first. */
  private assistants(): Agent[] {
    return this.agents
      .list({ state: 'online' })
      .filter(({ name, labels }) => name.toLowerCase() === 'assistant' || labels['role'] === 'assistant')
      .sort((left, right) => (left.id < right.id ? -1 : 1));
  }

  private ask(agent: Agent, link: AgentLink, message: Message, correlationId: string): void {
    const { clock, ids, limits } = this.context;
    const { sessionId, content } = message;
    if (this.questions.size >= pendingLimit) {
      throw new OrchestratorError(
        'RESOURCE_EXHAUSTED',
        'agent_unavailable',
        'the assistant has too much to answer',
      );
    }
    // Before it is sent: the answer may come at once.
    const timer = clock.setTimer(
      limits.replyLimitMs,
      () => void this.answer(correlationId, sessionId, timedOutText),
    );
    this.questions.set(correlationId, { sessionId, agentId: agent.id, dispose: () => timer.dispose() });
    try {
      link.deliverMessage({
        id: ids.hexId(),
        time: clock.now(),
        sourceId: 'orchestrator',
        targetId: agent.id,
        correlationId,
        sessionId,
        headers: {},
        body: {
          kind: 'data',
          contentType: 'text/plain',
          data: new TextEncoder().encode(content),
          headers: {},
        },
      });
    } catch (error) {
      this.questions.delete(correlationId);
      const message = 'assistant agent stream not connected';
      throw new OrchestratorError('UNAVAILABLE', 'agent_unavailable', message, { cause: error });
    }
  }

  /** Stores and tells an answer. @returns false where it could not be stored: the session was closed meanwhile. */
  private answer(correlationId: string, sessionId: string, content: string): boolean {
    const { ids, clock, failures, logger } = this.context;
    this.questions.delete(correlationId);
    try {
      const metadata = { extra: { [correlationKey]: correlationId } };
      const reply = { role: 'assistant', content, metadata } as const;
      const message = this.messages.store(checkMessage(sessionId, reply, ids.hexId(), clock.now()));
      this.listeners.get(sessionId)?.fire(message);
      return true;
    } catch (error) {
      if (OrchestratorError.is(error, 'session_closed'))
        logger.debug('An answer came after its session', error);
      else failures.report(error, `store an answer in the session ${sessionId}`);
      return false;
    }
  }
}

function withCorrelation(message: Message, correlationId: string): Message {
  const { metadata } = message;
  return {
    ...message,
    metadata: { ...metadata, extra: { ...metadata.extra, [correlationKey]: correlationId } },
  };
}

function correlationOf({ extra }: Message['metadata']): string | undefined {
  return extra[correlationKey];
}

/** On the wire a missing text is an empty one. */
function blankToUndefined(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
