import { OrchestratorError } from '../../../base/errors.ts';
import type { Orchestrator } from '../../../core/orchestrator.ts';
import type { Message } from '../../../core/sessions/message.ts';
import type { Session } from '../../../core/sessions/session.ts';
import {
  type ResponseChunk,
  type StreamResponsesRequest,
  type StreamResponsesResponse,
  StreamState,
  type StreamStatus,
} from '../../../protocol/gen/gateway/v1/gateway.ts';
import type { CallContext } from '../rpcHandlers.ts';
import { AnswerChunks } from './answerChunks.ts';
import { gatewayFactsOf, getGatewaySession } from './gatewaySessions.ts';
import type { ServerFacts } from './serverFacts.ts';
import { dateOf, given, invalid, required } from './values.ts';

/** Bytes of one chunk where neither the call nor the session says it. */
const usualChunkSize = 1_024;
const largestChunkSize = 1024 * 1024;

/**
 * StreamResponses: a status, the chunks of an answer, a status with the figures. The answer is that to a message, as soon
 * as it is there; without a message it is what is being answered in the session right now, by the assistant or by a run,
 * else the last answer. Errors: `session_not_found`, `invalid_request`; what fails later is told by the last status.
 */
export async function* streamResponses(
  orchestrator: Orchestrator,
  facts: ServerFacts,
  { sessionId, messageId, options }: StreamResponsesRequest,
  call: CallContext,
): AsyncGenerator<StreamResponsesResponse, void, undefined> {
  const session = getGatewaySession(orchestrator, required(sessionId, 'session_id'));
  const about = messageId === '' ? undefined : findMessage(orchestrator, session, messageId);
  const wanted = Number(options?.chunkSize ?? 0n);
  if (wanted < 0) throw invalid('chunk_size cannot be negative');
  const configured = Number(gatewayFactsOf(session)?.config.streamConfig?.chunkSize ?? 0n);
  const chunkSize = Math.min(given(wanted) ?? given(configured) ?? usualChunkSize, largestChunkSize);
  const chunks = new AnswerChunks(orchestrator, { chunkSize, newId: facts.newId });

  const startedAt = facts.now();
  const sent = { bytes: 0, chunks: 0 };
  const status = (state: StreamState, message: string): StreamResponsesResponse => {
    const hasEnded = state !== StreamState.STREAM_STATE_ACTIVE;
    const value: StreamStatus = {
      state,
      message,
      bytesSent: BigInt(sent.bytes),
      chunksSent: BigInt(sent.chunks),
      startedAt: dateOf(startedAt),
      endedAt: hasEnded ? dateOf(facts.now()) : undefined,
    };
    return { payload: { $case: 'status', value } };
  };

  yield status(StreamState.STREAM_STATE_ACTIVE, '');
  try {
    for await (const chunk of answerTo(orchestrator, session, about, chunks, call)) {
      sent.bytes += chunk.data.length;
      sent.chunks += 1;
      const metadata = options === undefined || options.includeMetadata ? chunk.metadata : undefined;
      yield { payload: { $case: 'chunk', value: { ...chunk, metadata } } };
    }
  } catch (error) {
    call.signal.throwIfAborted();
    const { code, message } = OrchestratorError.from(error);
    yield status(StreamState.STREAM_STATE_ERROR, `${code}: ${message}`);
    return;
  }
  yield status(StreamState.STREAM_STATE_COMPLETE, '');
}

async function* answerTo(
  orchestrator: Orchestrator,
  session: Session,
  about: Message | undefined,
  chunks: AnswerChunks,
  { signal }: CallContext,
): AsyncGenerator<ResponseChunk, void, undefined> {
  const { events, runs, messages, conversations } = orchestrator;
  const [last] = about === undefined ? messages.list({ sessionId: session.id, last: 1 }) : [about];
  if (last !== undefined && conversations.isWaiting(last)) {
    yield* answerWhenThere(orchestrator, last, chunks, signal);
    return;
  }
  const run = about === undefined ? runs.active().find((live) => live.sessionId === session.id) : undefined;
  if (run !== undefined) {
    for await (const event of events.follow({ after: 0, runId: run.id, signal })) {
      if (!chunks.isTold(event)) continue;
      yield* chunks.of(event);
      if (event.type === 'response.completed' || event.type === 'error') return;
    }
    return;
  }
  const answer =
    about === undefined
      ? lastAnswer(orchestrator, session)
      : about.role === 'assistant'
        ? about
        : conversations.findAnswer(about);
  if (answer === undefined) throw unanswered(about);
  yield* chunks.ofMessage(answer);
}

/** Ends with the answer. Error: `session_closed`, where there will be none. */
async function* answerWhenThere(
  { events, conversations }: Orchestrator,
  question: Message,
  chunks: AnswerChunks,
  signal: AbortSignal,
): AsyncGenerator<ResponseChunk, void, undefined> {
  const { sessionId } = question;
  for await (const event of events.follow({ after: events.lastSequence, sessionId, signal })) {
    if (event.type === 'session.closed') {
      throw new OrchestratorError('FAILED_PRECONDITION', 'session_closed', 'the session was closed');
    }
    if (event.type !== 'message.sent') continue;
    const answer = conversations.findAnswer(question);
    if (answer === undefined) continue;
    yield* chunks.ofMessage(answer);
    return;
  }
}

function lastAnswer({ messages }: Orchestrator, { id }: Session): Message | undefined {
  return messages.list({ sessionId: id, last: 100 }).findLast(({ role }) => role === 'assistant');
}

function findMessage({ messages }: Orchestrator, { id }: Session, messageId: string): Message {
  const message = messages.find(id, messageId);
  if (message !== undefined) return message;
  throw new OrchestratorError('NOT_FOUND', 'invalid_request', `message not found: ${messageId}`);
}

function unanswered(about: Message | undefined): OrchestratorError {
  const what =
    about === undefined ? 'nothing has been answered in this session' : 'this message has no answer';
  return new OrchestratorError('NOT_FOUND', 'invalid_request', what);
}
