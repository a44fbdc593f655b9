import { DisposableStore } from '../../../base/disposable.ts';
import { OrchestratorError } from '../../../base/errors.ts';
import type { OrchestratorEvent } from '../../../core/events/event.ts';
import type { Orchestrator } from '../../../core/orchestrator.ts';
import type { Session } from '../../../core/sessions/session.ts';
import {
  type GatewayEvent,
  type GatewayMessage,
  type StreamChatRequest,
  type StreamChatResponse,
  StreamState,
  type StreamStatus,
} from '../../../protocol/gen/gateway/v1/gateway.ts';
import type { CallContext } from '../rpcHandlers.ts';
import { AnswerChunks } from './answerChunks.ts';
import { gatewayEventMessage } from './gatewayEvents.ts';
import { gatewayMessageOf } from './gatewayMessages.ts';
import { gatewayFactsOf, getGatewaySession } from './gatewaySessions.ts';
import { Outbox } from './outbox.ts';
import type { ServerFacts } from './serverFacts.ts';
import { checkMayChange } from './sessionView.ts';
import { dateOf, invalid } from './values.ts';

/** What is to be sent: of chunks only the event that tells of them, until the client comes to read them. */
type Item =
  | { readonly kind: 'told'; readonly event: OrchestratorEvent }
  | { readonly kind: 'event'; readonly value: GatewayEvent }
  | { readonly kind: 'status'; readonly value: StreamStatus }
  | { readonly kind: 'heartbeat' };

/**
 * StreamChat: what a user says goes to the assistant; its answers, and what runs and agents put out in the session
 * meanwhile, come as chunks. What cannot be sent or stored is told by a status, and the stream goes on. A client that
 * ends its side still gets the answers to what it has said; then the stream ends.
 */
export async function* streamChat(
  orchestrator: Orchestrator,
  facts: ServerFacts,
  requests: AsyncIterable<StreamChatRequest>,
  call: CallContext,
): AsyncGenerator<StreamChatResponse, void, undefined> {
  const outbox = new Outbox<Item>();
  const chat = new Chat(orchestrator, facts, outbox, call);
  chat.take(requests).catch((error: unknown) => outbox.fail(error));
  try {
    for await (const item of outbox) {
      switch (item.kind) {
        case 'told':
          for await (const value of chat.chunksOf(item.event)) yield { payload: { $case: 'chunk', value } };
          break;
        case 'event':
          yield { payload: { $case: 'event', value: item.value } };
          break;
        case 'status':
          yield { payload: { $case: 'status', value: item.value } };
          break;
        case 'heartbeat':
          yield { payload: { $case: 'heartbeat', value: {} } };
          break;
      }
    }
  } finally {
    chat.dispose();
  }
}

class Chat {
  private readonly orchestrator: Orchestrator;
  private readonly facts: ServerFacts;
  private readonly outbox: Outbox<Item>;
  private readonly call: CallContext;
  private readonly startedAt: number;
  private readonly disposables = new DisposableStore();
  /** Correlation ids of its questions that wait for an answer. */
  private readonly questions = new Set<string>();
  private chunks: AnswerChunks;
  private session: Session | undefined;
  private hasInputEnded = false;
  private sent = { bytes: 0, chunks: 0 };

  constructor(orchestrator: Orchestrator, facts: ServerFacts, outbox: Outbox<Item>, call: CallContext) {
    this.orchestrator = orchestrator;
    this.facts = facts;
    this.outbox = outbox;
    this.call = call;
    this.startedAt = facts.now();
    this.chunks = new AnswerChunks(orchestrator, { chunkSize: 0, newId: facts.newId });
  }

  async take(requests: AsyncIterable<StreamChatRequest>): Promise<void> {
    for await (const { sessionId, payload } of requests) {
      if (payload?.$case === 'heartbeat') {
        this.outbox.push({ kind: 'heartbeat' });
        continue;
      }
      this.session ??= this.bind(sessionId);
      if (payload?.$case === 'cancel') {
        this.push(StreamState.STREAM_STATE_CANCELLED, payload.value.reason);
        this.outbox.end();
        return;
      }
      if (payload !== undefined) this.say(this.session, payload.value);
    }
    this.hasInputEnded = true;
    this.endIfDone();
  }

  async *chunksOf(event: OrchestratorEvent): ReturnType<AnswerChunks['of']> {
    for await (const chunk of this.chunks.of(event)) {
      this.sent.bytes += chunk.data.length;
      this.sent.chunks += 1;
      yield chunk;
    }
  }

  dispose(): void {
    this.disposables.dispose();
  }

  private bind(gatewayId: string): Session {
    if (gatewayId === '') throw invalid('first message must contain session_id');
    const { sessions, events } = this.orchestrator;
    const session = sessions.getActive(getGatewaySession(this.orchestrator, gatewayId).id);
    checkMayChange(session, this.call);
    const { enableDelta = false, chunkSize = 0n } = gatewayFactsOf(session)?.config.streamConfig ?? {};
    this.chunks = new AnswerChunks(this.orchestrator, {
      chunkSize: enableDelta ? Number(chunkSize) : 0,
      newId: this.facts.newId,
    });
    this.disposables.add(
      events.onDidAppend((event) => {
        if (event.sessionId === session.id) this.hear(event, gatewayId);
      }),
    );
    return session;
  }

  private hear(event: OrchestratorEvent, gatewayId: string): void {
    if (this.chunks.isTold(event)) {
      this.outbox.push({ kind: 'told', event });
      if (event.type === 'message.sent') this.questions.delete(event.correlationId ?? '');
      this.endIfDone();
    } else if (event.type === 'session.closed') {
      this.outbox.push({ kind: 'event', value: gatewayEventMessage(event, gatewayId) });
      this.outbox.end();
    }
  }

  private say(session: Session, message: GatewayMessage): void {
    try {
      const said = gatewayMessageOf(message, session);
      const { correlationId } = this.orchestrator.conversations.say(session.id, said);
      if (correlationId !== undefined) this.questions.add(correlationId);
    } catch (error) {
      const known = OrchestratorError.from(error);
      this.push(StreamState.STREAM_STATE_ERROR, `${known.code}: ${known.message}`);
    }
  }

  private push(state: StreamState, message: string): void {
    const { bytes, chunks } = this.sent;
    this.outbox.push({
      kind: 'status',
      value: {
        state,
        message,
        bytesSent: BigInt(bytes),
        chunksSent: BigInt(chunks),
        startedAt: dateOf(this.startedAt),
        endedAt: state === StreamState.STREAM_STATE_CANCELLED ? dateOf(this.facts.now()) : undefined,
      },
    });
  }

  private endIfDone(): void {
    if (this.hasInputEnded && this.questions.size === 0) this.outbox.end();
  }
}
