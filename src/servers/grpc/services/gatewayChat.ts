import { invalidRequest } from '../../../core/text.ts';
import { DisposableStore } from '../../../base/disposable.ts';
import { OrchestratorError } from '../../../base/errors.ts';
import type { Orchestrator } from '../../../core/orchestrator.ts';
import type { Session } from '../../../core/sessions/session.ts';
import {
  type GatewayMessage,
  type StreamChatRequest,
  type StreamChatResponse,
  StreamState,
} from '../../../protocol/gen/gateway/v1/gateway.ts';
import type { CallContext } from '../rpcHandlers.ts';
import { chatChunks, type ChunkOptions } from './answerChunks.ts';
import { gatewayEventMessage } from './gatewayEvents.ts';
import { engineOf, gatewayMessageOf } from './gatewayMessages.ts';
import { gatewayFactsOf, getGatewaySession } from './gatewaySessions.ts';
import { Outbox } from './outbox.ts';
import type { ServerFacts } from './serverFacts.ts';
import { checkMayChange } from './sessionView.ts';
import { StreamFigures } from './streamFigures.ts';

type Payload = NonNullable<StreamChatResponse['payload']>;

/** Messages of one stream that wait for their turn at most. */
const mostWaiting = 100;

/**
 * StreamChat: what a user says is answered in chunks, one message after the other, by the assistant or by a run in the
 * session. What cannot be answered is told by a status, and the stream goes on. A client that ends its side still gets
 * the answers to what it has said; then the stream ends.
 */
export async function* streamChat(
  orchestrator: Orchestrator,
  facts: ServerFacts,
  requests: AsyncIterable<StreamChatRequest>,
  call: CallContext,
): AsyncGenerator<StreamChatResponse, void, undefined> {
  const outbox = new Outbox<Payload>();
  const chat = new ChatStream(orchestrator, facts, outbox, call);
  chat.take(requests).catch((error: unknown) => outbox.fail(error));
  try {
    for await (const payload of outbox) yield { payload };
  } finally {
    chat.dispose();
  }
}

class ChatStream {
  private readonly orchestrator: Orchestrator;
  private readonly facts: ServerFacts;
  private readonly outbox: Outbox<Payload>;
  private readonly call: CallContext;
  private readonly figures: StreamFigures;
  private readonly disposables = new DisposableStore();
  /** Ends a run too: it aborts when the client says so, not when it is only gone. */
  private readonly cancelling = new AbortController();
  private session: Session | undefined;
  private turn: Promise<void> = Promise.resolve();
  private waiting = 0;
  private isDisposed = false;

  constructor(orchestrator: Orchestrator, facts: ServerFacts, outbox: Outbox<Payload>, call: CallContext) {
    this.orchestrator = orchestrator;
    this.facts = facts;
    this.outbox = outbox;
    this.call = call;
    this.figures = new StreamFigures(facts.now);
  }

  async take(requests: AsyncIterable<StreamChatRequest>): Promise<void> {
    for await (const { sessionId, payload } of requests) {
      if (payload?.$case === 'heartbeat') {
        this.outbox.push(payload);
        continue;
      }
      const session = (this.session ??= this.bind(sessionId));
      if (payload?.$case === 'cancel') {
        this.cancelling.abort();
        await this.turn;
        this.tell(StreamState.STREAM_STATE_CANCELLED, payload.value.reason);
        break;
      }
      if (payload !== undefined) this.say(session, payload.value);
    }
    await this.turn;
    this.outbox.end();
  }

  dispose(): void {
    this.isDisposed = true;
    this.disposables.dispose();
  }

  private bind(gatewayId: string): Session {
    if (gatewayId === '') throw invalidRequest('first message must contain session_id');
    const { sessions, events } = this.orchestrator;
    const session = sessions.getActive(getGatewaySession(this.orchestrator, gatewayId).id);
    checkMayChange(session, this.call);
    this.disposables.add(
      events.onDidAppend((event) => {
        if (event.type !== 'session.closed' || event.sessionId !== session.id) return;
        this.outbox.push({ $case: 'event', value: gatewayEventMessage(event, gatewayId) });
        this.outbox.end();
      }),
    );
    return session;
  }

  /** Each in its turn, so that the chunks of one answer come together. */
  private say(session: Session, message: GatewayMessage): void {
    if (this.waiting >= mostWaiting) {
      this.tell(StreamState.STREAM_STATE_ERROR, 'RESOURCE_EXHAUSTED: too many messages wait for an answer');
      return;
    }
    this.waiting += 1;
    this.turn = this.turn.then(async () => {
      try {
        if (!this.isDisposed) await this.answer(session, message);
      } catch (error) {
        const known = OrchestratorError.from(error);
        this.tell(StreamState.STREAM_STATE_ERROR, `${known.code}: ${known.message}`);
      } finally {
        this.waiting -= 1;
      }
    });
  }

  private async answer(session: Session, message: GatewayMessage): Promise<void> {
    const { chat, messages } = this.orchestrator;
    const said = gatewayMessageOf(message, session);
    if (said.role !== 'user') {
      messages.append(session.id, said);
      return;
    }
    const { signal } = this.cancelling;
    const answer = chat.answer(session.id, said, { engine: engineOf(message), signal });
    for await (const chunk of chatChunks(answer, this.chunkOptions(session))) {
      this.figures.add(chunk);
      // A run goes on without its reader, and its answer is kept.
      if (!(await this.outbox.put({ $case: 'chunk', value: chunk }))) return;
    }
  }

  private chunkOptions(session: Session): ChunkOptions {
    const { enableDelta = false, chunkSize = 0n } = gatewayFactsOf(session)?.config.streamConfig ?? {};
    const { newId, now } = this.facts;
    return { chunkSize: enableDelta ? Number(chunkSize) : 0, newId, now };
  }

  private tell(state: StreamState, message: string): void {
    this.outbox.push({ $case: 'status', value: this.figures.status(state, message) });
  }
}
