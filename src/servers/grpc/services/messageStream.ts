import { invalidRequest } from '../../../core/text.ts';
import { DisposableStore, toDisposable } from '../../../base/disposable.ts';
import { OrchestratorError } from '../../../base/errors.ts';
import type { Orchestrator } from '../../../core/orchestrator.ts';
import { Priority } from '../../../protocol/gen/common/v1/common.ts';
import {
  type Event,
  EventType,
  type Message,
  type StreamMessageRequest,
  type StreamMessageResponse,
} from '../../../protocol/gen/orchestrator/v1/orchestrator.ts';
import type { BidiHandler, CallContext } from '../rpcHandlers.ts';
import { Outbox } from './outbox.ts';
import type { ServerFacts } from './serverFacts.ts';
import { messageMessage, newMessageOf } from './sessionMessages.ts';
import { checkMayChange } from './sessionView.ts';
import { dateOf } from './values.ts';

type Payload = NonNullable<StreamMessageResponse['payload']>;

const heartbeat: Payload = { $case: 'heartbeat', value: {} };

/**
 * StreamMessages (contract 001, section 6): the first frame that is no heartbeat binds the stream to a session; what a
 * user says goes to the assistant, whose answers come to every stream of the session. A client that ends its side still
 * gets the answers to what it has said, which the seed's example counts on; then the stream ends.
 */
export function messageStreams(
  orchestrator: Orchestrator,
  facts: ServerFacts,
): BidiHandler<StreamMessageRequest, StreamMessageResponse> {
  /** By session: of the streams that are bound to it. */
  const bound = new Map<string, Set<Outbox<Payload>>>();

  return async function* streamMessages(requests, call) {
    const outbox = new Outbox<Payload>();
    const stream = new MessageStream(orchestrator, facts, outbox, bound, call);
    stream.take(requests).catch((error: unknown) => outbox.fail(error));
    try {
      for await (const payload of outbox) yield { payload };
    } finally {
      stream.dispose();
    }
  };
}

class MessageStream {
  private readonly orchestrator: Orchestrator;
  private readonly facts: ServerFacts;
  private readonly outbox: Outbox<Payload>;
  private readonly bound: Map<string, Set<Outbox<Payload>>>;
  private readonly call: CallContext;
  private readonly disposables = new DisposableStore();
  /** Correlation ids of its questions that wait for an answer. */
  private readonly questions = new Set<string>();
  private sessionId: string | undefined;
  private hasInputEnded = false;

  constructor(
    orchestrator: Orchestrator,
    facts: ServerFacts,
    outbox: Outbox<Payload>,
    bound: Map<string, Set<Outbox<Payload>>>,
    call: CallContext,
  ) {
    this.orchestrator = orchestrator;
    this.facts = facts;
    this.outbox = outbox;
    this.bound = bound;
    this.call = call;
  }

  async take(requests: AsyncIterable<StreamMessageRequest>): Promise<void> {
    for await (const { sessionId, payload } of requests) {
      if (payload?.$case === 'heartbeat') {
        this.beat();
        continue;
      }
      this.sessionId ??= this.bind(sessionId);
      if (payload !== undefined) this.say(this.sessionId, payload.value);
    }
    this.hasInputEnded = true;
    this.endIfDone();
  }

  dispose(): void {
    this.disposables.dispose();
  }

  /** The contract's servers answer all streams of the session. */
  private beat(): void {
    const streams = this.sessionId === undefined ? undefined : this.bound.get(this.sessionId);
    for (const outbox of streams ?? [this.outbox]) outbox.push(heartbeat);
  }

  private bind(sessionId: string): string {
    if (sessionId === '') throw invalidRequest('first message must contain session_id');
    const { sessions, conversations, events } = this.orchestrator;
    checkMayChange(sessions.getActive(sessionId), this.call);
    const streams = this.bound.get(sessionId) ?? new Set();
    this.bound.set(sessionId, streams.add(this.outbox));
    this.disposables.add(
      toDisposable(() => {
        streams.delete(this.outbox);
        if (streams.size === 0) this.bound.delete(sessionId);
      }),
    );
    this.disposables.add(
      conversations.listen(sessionId, (message) => {
        this.outbox.push({ $case: 'message', value: messageMessage(message) });
        this.questions.delete(message.metadata.extra['correlation_id'] ?? '');
        this.endIfDone();
      }),
    );
    this.disposables.add(
      events.onDidAppend((event) => {
        if (event.type !== 'session.closed' || event.sessionId !== sessionId) return;
        // Nothing is answered in it any more.
        this.questions.clear();
        this.endIfDone();
      }),
    );
    return sessionId;
  }

  private say(sessionId: string, message: Message): void {
    try {
      const { correlationId } = this.orchestrator.conversations.say(sessionId, newMessageOf(message));
      if (correlationId !== undefined) this.questions.add(correlationId);
    } catch (error) {
      this.outbox.push({ $case: 'event', value: this.failure(sessionId, OrchestratorError.from(error)) });
    }
  }

  private failure(sessionId: string, { code, message }: OrchestratorError): Event {
    return {
      id: this.facts.newId(),
      type: EventType.EVENT_TYPE_TASK_FAILED,
      source: 'orchestrator',
      timestamp: dateOf(this.facts.now()),
      data: { error: `${code}: ${message}` },
      metadata: {
        correlationId: '',
        sessionId,
        containerId: '',
        userId: '',
        labels: {},
        priority: Priority.PRIORITY_NORMAL,
      },
    };
  }

  private endIfDone(): void {
    if (this.hasInputEnded && this.questions.size === 0) this.outbox.end();
  }
}
