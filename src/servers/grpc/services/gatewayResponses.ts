import { given } from '../../../protocol/given.ts';
import { invalidRequest } from '../../../core/text.ts';
import { OrchestratorError } from '../../../base/errors.ts';
import type { Orchestrator } from '../../../core/orchestrator.ts';
import { runText } from '../../../core/runs/runText.ts';
import type { Message } from '../../../core/sessions/message.ts';
import type { Session } from '../../../core/sessions/session.ts';
import {
  type ResponseChunk,
  type StreamResponsesRequest,
  type StreamResponsesResponse,
  StreamState,
} from '../../../protocol/gen/gateway/v1/gateway.ts';
import type { CallContext } from '../rpcHandlers.ts';
import { type ChunkOptions, liveChunks, textChunks } from './answerChunks.ts';
import { gatewayFactsOf, getGatewaySession } from './gatewaySessions.ts';
import type { ServerFacts } from './serverFacts.ts';
import { StreamFigures } from './streamFigures.ts';
import { required } from './values.ts';

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
  { newId, now }: ServerFacts,
  { sessionId, messageId, options }: StreamResponsesRequest,
  { signal }: CallContext,
): AsyncGenerator<StreamResponsesResponse, void, undefined> {
  const session = getGatewaySession(orchestrator, required(sessionId, 'session_id'));
  const about = messageId === '' ? undefined : findMessage(orchestrator, session, messageId);
  const chunkSize = chunkSizeOf(session, Number(options?.chunkSize ?? 0n));
  const figures = new StreamFigures(now);
  const status = (state: StreamState, message?: string): StreamResponsesResponse => ({
    payload: { $case: 'status', value: figures.status(state, message) },
  });

  yield status(StreamState.STREAM_STATE_ACTIVE);
  try {
    for await (const chunk of answerTo(orchestrator, session, about, { chunkSize, newId, now }, signal)) {
      figures.add(chunk);
      const metadata = options === undefined || options.includeMetadata ? chunk.metadata : undefined;
      yield { payload: { $case: 'chunk', value: { ...chunk, metadata } } };
    }
  } catch (error) {
    signal.throwIfAborted();
    const { code, message } = OrchestratorError.from(error);
    yield status(StreamState.STREAM_STATE_ERROR, `${code}: ${message}`);
    return;
  }
  yield status(StreamState.STREAM_STATE_COMPLETE);
}

/** Error: `invalid_request`. */
function chunkSizeOf(session: Session, wanted: number): number {
  if (wanted < 0) throw invalidRequest('chunk_size cannot be negative');
  const configured = Number(gatewayFactsOf(session)?.config.streamConfig?.chunkSize ?? 0n);
  return Math.min(given(wanted) ?? given(Math.max(configured, 0)) ?? usualChunkSize, largestChunkSize);
}

async function* answerTo(
  orchestrator: Orchestrator,
  { id: sessionId }: Session,
  about: Message | undefined,
  options: ChunkOptions,
  signal: AbortSignal,
): AsyncGenerator<ResponseChunk, void, undefined> {
  const { runs, messages, conversations } = orchestrator;
  const recent = about === undefined ? messages.list({ sessionId, last: 100 }) : [about];
  const waiting = recent.findLast((message) => conversations.isWaiting(message));
  const run = runs
    .active()
    .find(({ id, sessionId: its }) =>
      about === undefined ? its === sessionId : id === about.metadata.extra['run_id'],
    );
  if (waiting === undefined && run !== undefined) {
    yield* liveChunks(runText(orchestrator, run.id, 0, signal), { run_id: run.id }, options);
    return;
  }
  const answer =
    waiting === undefined
      ? (recent.findLast(({ role }) => role === 'assistant') ?? (about && conversations.findAnswer(about)))
      : await answerWhenThere(orchestrator, waiting, signal);
  if (answer === undefined) throw unanswered(about);
  yield* textChunks(answer.content, { message_id: answer.id }, options);
}

/** Undefined when the core closes or the client goes. Error: `session_closed`, where there will be no answer. */
async function answerWhenThere(
  { events, conversations }: Orchestrator,
  question: Message,
  signal: AbortSignal,
): Promise<Message | undefined> {
  const { sessionId } = question;
  for await (const { type } of events.follow({ after: events.lastSequence, sessionId, signal })) {
    if (type === 'session.closed') {
      throw new OrchestratorError('FAILED_PRECONDITION', 'session_closed', 'the session was closed');
    }
    const answer = type === 'message.sent' ? conversations.findAnswer(question) : undefined;
    if (answer !== undefined) return answer;
  }
  return undefined;
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
