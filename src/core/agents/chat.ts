import { type Disposable, disposeAll, toDisposable } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { CoreContext } from '../context.ts';
import type { Run, RunnerResult } from '../runs/run.ts';
import type { RunManager } from '../runs/runManager.ts';
import { type RunTextSource, runText } from '../runs/runText.ts';
import type { Message, NewMessage } from '../sessions/message.ts';
import type { MessageLog } from '../sessions/messageLog.ts';
import type { SessionManager } from '../sessions/sessionManager.ts';
import { waitFor } from '../waitFor.ts';
import { type Conversations, correlationKey } from './conversations.ts';

/** Of what a run printed, the end that is kept as its answer, in characters. */
const answerLimit = 64 * 1024;

export type ChatChunk =
  /** The message is stored, and whoever answers it has it. */
  | { readonly kind: 'accepted'; readonly message: Message; readonly runId?: string | undefined }
  | { readonly kind: 'text'; readonly text: string }
  | {
      readonly kind: 'end';
      readonly outcome: RunnerResult['outcome'];
      /** As it stands in the session; missing where the session was closed meanwhile. */
      readonly answer?: Message | undefined;
    };

export interface ChatOptions {
  /** Gives the message to a run of this engine, whoever is connected. */
  readonly engine?: string | undefined;
  /** Ends the chat; a run is aborted by it. */
  readonly signal?: AbortSignal | undefined;
}

interface ChatParts extends RunTextSource {
  readonly context: CoreContext;
  readonly sessions: SessionManager;
  readonly messages: MessageLog;
  readonly runs: RunManager;
  readonly conversations: Conversations;
}

/**
 * Answers a message of a session with text as it comes: from the agent that is its assistant, else, in a session of the
 * type `shell`, from a run that carries the message out. Both the message and the answer are stored.
 */
export class Chat {
  private readonly parts: ChatParts;

  constructor(parts: ChatParts) {
    this.parts = parts;
  }

  /**
   * A reader that leaves early leaves a run going, and its answer is stored all the same. Errors: those of
   * `Conversations.say` and of starting a run; `closed`,
   * `session_closed`.
   */
  answer(sessionId: string, message: NewMessage, options: ChatOptions = {}): AsyncGenerator<ChatChunk, void> {
    const { sessions, conversations } = this.parts;
    const session = sessions.getActive(sessionId);
    const isRun =
      options.engine !== undefined ||
      (session.type === 'shell' && conversations.findAssistant() === undefined);
    return isRun ? this.byRun(sessionId, message, options) : this.byAgent(sessionId, message, options.signal);
  }

  private async *byAgent(
    sessionId: string,
    message: NewMessage,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<ChatChunk, void> {
    const { conversations, events } = this.parts;
    let answer: Message | undefined;
    let correlationId: string | undefined;
    const subscription = conversations.listen(sessionId, (reply) => {
      if (reply.metadata.extra[correlationKey] === correlationId) answer ??= reply;
    });
    try {
      const said = conversations.say(sessionId, { ...message, role: 'user' });
      correlationId = said.correlationId;
      yield { kind: 'accepted', message: said.message };
      const read = (): Message | undefined => answer ?? this.checkOpen(sessionId);
      const changes = (check: (what: unknown) => void) => this.onSessionChange(sessionId, check);
      const reply = await waitFor({ read, changes, closes: events.onDidClose, signal });
      yield { kind: 'text', text: reply.content };
      yield { kind: 'end', outcome: 'succeeded', answer: reply };
    } catch (error) {
      if (!OrchestratorError.is(error, 'aborted')) throw error;
      yield { kind: 'end', outcome: 'cancelled' };
    } finally {
      subscription.dispose();
    }
  }

  private onSessionChange(sessionId: string, check: (what: unknown) => void): Disposable {
    const { conversations, events } = this.parts;
    const subscriptions = [
      conversations.listen(sessionId, check),
      events.onDidAppend((event) => {
        if (event.type === 'session.closed' && event.sessionId === sessionId) check(event);
      }),
    ];
    return toDisposable(() => disposeAll(subscriptions));
  }

  /** Nothing is answered in a closed session. Error: `session_closed`. */
  private checkOpen(sessionId: string): undefined {
    if (this.parts.sessions.get(sessionId).state !== 'closed') return;
    throw new OrchestratorError('FAILED_PRECONDITION', 'session_closed', 'the session was closed');
  }

  private async *byRun(
    sessionId: string,
    message: NewMessage,
    { engine, signal }: ChatOptions,
  ): AsyncGenerator<ChatChunk, void> {
    const { runs, messages, events, context } = this.parts;
    const after = events.lastSequence;
    const run = await runs.start({ task: message.content, sessionId, engine, requestedBy: 'chat' });
    const abort = (): void => {
      runs.abort(run.id).catch((error: unknown) => {
        if (OrchestratorError.is(error, 'run_not_active')) return;
        context.failures.report(error, `abort the run ${run.id} of a chat`);
      });
    };
    if (signal?.aborted === true) abort();
    signal?.addEventListener('abort', abort, { once: true });
    const kept = this.keepAnswer(run, after);
    try {
      const question = { ...message, role: 'user', metadata: joinedBy(run, message.metadata) } as const;
      const said = appendOr(abort, () => messages.append(sessionId, question));
      yield { kind: 'accepted', message: said, runId: run.id };
      for await (const text of runText(this.parts, run.id, after)) yield { kind: 'text', text };
      const { status } = await runs.waitForEnd(run.id);
      const outcome = status === 'queued' || status === 'running' ? 'failed' : status;
      yield { kind: 'end', outcome, answer: await kept };
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** Stores what a run printed, its end, as the answer in its session; never throws. */
  private async keepAnswer(run: Run, after: number): Promise<Message | undefined> {
    const { messages, runs, context } = this.parts;
    try {
      let content = '';
      for await (const text of runText(this.parts, run.id, after)) {
        content = (content + text).slice(-answerLimit);
      }
      const { error } = await runs.waitForEnd(run.id);
      if (content === '' && error !== undefined) content = error.message;
      return messages.append(run.sessionId, { role: 'assistant', content, metadata: joinedBy(run) });
    } catch (error) {
      if (OrchestratorError.is(error, 'session_closed')) context.logger.debug('An answer came late', error);
      else context.failures.report(error, `store the answer of the run ${run.id}`);
      return undefined;
    }
  }
}

/** As an assistant's, question and answer keep what joins them: here the id of the run. */
function joinedBy({ id }: Run, metadata: NewMessage['metadata'] = {}): NonNullable<NewMessage['metadata']> {
  return { ...metadata, extra: { ...metadata.extra, [correlationKey]: id, run_id: id } };
}

/** Nobody is told of the answer to a message that could not be stored. */
function appendOr(abort: () => void, append: () => Message): Message {
  try {
    return append();
  } catch (error) {
    abort();
    throw error;
  }
}
