import { DisposableStore } from '../../base/disposable.ts';
import type { Logger } from '../../base/logger.ts';
import type { Orchestrator } from '../../core/orchestrator.ts';
import type { AnswerFrame } from '../../protocol/daemon/frames.ts';
import type { Scope } from '../../protocol/daemon/handshake.ts';
import type { DaemonRequest, DaemonRequestOf, SubscribePayload } from '../../protocol/daemon/requests.ts';
import type { DaemonStatus } from '../../protocol/daemon/shapes.ts';
import { checkScope } from '../access/caller.ts';
import type { ClientHandler, ClientLink } from './clientLink.ts';
import { contractError } from './contractErrors.ts';
import { watchQueue } from './queueWatch.ts';
import { daemonRun } from './runView.ts';
import type { SessionCalls } from './sessionCalls.ts';
import type { SessionViews } from './sessionViews.ts';
import type { FrameStream } from './stream/frameStream.ts';
import { wholeEvent } from './stream/frameReader.ts';
import { type SubscriptionChange, withoutSubscribed, withSubscribed } from './stream/subscription.ts';
import { daemonTerminal } from './stream/terminalFold.ts';
import { TerminalLinks } from './terminalLinks.ts';

export interface ClientSessionParts {
  readonly orchestrator: Orchestrator;
  readonly calls: SessionCalls;
  readonly views: SessionViews;
  readonly stream: FrameStream;
  readonly status: () => DaemonStatus;
  /** The status of the daemon from now on, each second, or not any more. */
  readonly watchStatus: (link: ClientLink, isWanted: boolean) => void;
  readonly logger: Logger;
}

type Answer = AnswerFrame | undefined;
/** What each request does; without an answer it has answered by itself, or there is none. */
type Handlers = {
  readonly [T in DaemonRequest['type']]: (request: DaemonRequestOf<T>) => Answer | Promise<Answer>;
};

const scopeOf: Readonly<Record<DaemonRequest['type'], Scope>> = {
  ping: 'read',
  health_check: 'read',
  daemon_status: 'read',
  list_sessions: 'read',
  session_status: 'read',
  subscribe: 'read',
  unsubscribe: 'read',
  resume: 'read',
  list_runs: 'read',
  run_status: 'read',
  list_terminals: 'read',
  attach_terminal: 'read',
  terminal_ack: 'read',
  detach_terminal: 'read',
  spawn_session: 'drive',
  execute_task: 'drive',
  stop_session: 'drive',
  abort_run: 'drive',
  retry_run: 'drive',
  spawn_terminal: 'drive',
  terminal_input: 'drive',
  terminal_resize: 'drive',
  kill_terminal: 'drive',
};

/** Serves one client: its requests, its share of the stream, and the terminals that it is attached to. */
export function serveClient(link: ClientLink, parts: ClientSessionParts): ClientHandler {
  const { orchestrator, calls, views, stream: frames } = parts;
  const { terminals, runs, events } = orchestrator;
  const disposables = new DisposableStore();
  const stream = disposables.add(frames.add(link));
  const links = disposables.add(
    new TerminalLinks(terminals, (frame) => link.answer({ ...frame, seq: events.lastSequence })),
  );
  const queue = disposables.add(watchQueue(runs));
  disposables.add({ dispose: () => parts.watchStatus(link, false) });
  const { caller } = link;

  const answer = (request: DaemonRequest, frame: AnswerFrame): void => {
    if (disposables.isDisposed) return;
    const { requestId } = request;
    link.answer({ ...frame, ...(requestId === undefined ? {} : { requestId }), seq: events.lastSequence });
  };
  const fail = (request: DaemonRequest, thrown: unknown): void => {
    const sessionId = sessionOf(request);
    const { message, reason } = contractError(thrown, sessionId);
    if (reason === 'internal') parts.logger.error(`A request "${request.type}" to the daemon failed`, thrown);
    answer(request, {
      type: 'error',
      error: message,
      reason,
      ...(sessionId === undefined ? {} : { sessionId }),
    });
  };
  const subscribe = (change: SubscriptionChange): void => {
    stream.setSubscription(withSubscribed(stream.subscription, change));
    if (change.topics?.includes('status') === true) parts.watchStatus(link, true);
  };
  const subscribed = (type: 'subscribed' | 'unsubscribed'): AnswerFrame => {
    const { hasAllSessions, sessions, topics } = stream.subscription;
    return { type, sessionIds: [...(hasAllSessions ? ['*'] : []), ...sessions], topics: [...topics] };
  };
  /** What was asked for is answered before the stream tells of it. */
  const answerFirst = async (request: DaemonRequest, call: () => Promise<AnswerFrame>): Promise<Answer> => {
    const hold = stream.hold();
    try {
      answer(request, await call());
    } catch (error) {
      fail(request, error);
    } finally {
      hold.dispose();
    }
    return undefined;
  };
  const watchPlace = ({ requestId }: DaemonRequest, sessionId: string, taskId: string): void => {
    const place = runs.queuePosition(taskId);
    if (place === undefined) return;
    queue.add(taskId, place, (position) => {
      const echo = requestId === undefined ? {} : { requestId };
      link.answer({ type: 'task_queued', sessionId, taskId, position, ...echo, seq: events.lastSequence });
    });
  };

  const handlers: Handlers = {
    ping: () => ({ type: 'pong' }),
    health_check: () => ({ type: 'health_check_response', healthy: true }),
    daemon_status: () => ({ type: 'daemon_status_update', status: parts.status() }),
    list_sessions: ({ payload = {} }) => ({ type: 'sessions_list', ...views.list(payload) }),
    session_status: ({ payload }) => ({
      type: 'session_status_update',
      session: views.get(payload.sessionId),
    }),
    spawn_session: (request) =>
      answerFirst(request, async () => {
        const { payload, requestId } = request;
        const onSession = (id: string): void => subscribe({ sessionIds: [id] });
        const session = await calls.spawn(payload, { caller, requestId }, onSession);
        watchPlace(request, session.id, session.task.id);
        return { type: 'session_spawned', session };
      }),
    execute_task: (request) =>
      answerFirst(request, async () => {
        const { payload, requestId } = request;
        const started = await calls.execute(payload, { caller, requestId });
        const mutedTask = payload.streamResponse === false ? started.taskId : undefined;
        subscribe({ sessionIds: [started.sessionId], mutedTask });
        watchPlace(request, started.sessionId, started.taskId);
        return { type: 'task_executing', ...started };
      }),
    stop_session: async ({ payload }) => {
      const session = await calls.stop(payload.sessionId);
      // Contract 002, section 3: to everybody first, then once more to the sender.
      await frames.reached(events.lastSequence);
      return { type: 'session_status_update', session };
    },
    subscribe: ({ payload }) => {
      subscribe(changeOf(payload));
      return subscribed('subscribed');
    },
    unsubscribe: ({ payload }) => {
      const change = changeOf(payload);
      stream.setSubscription(withoutSubscribed(stream.subscription, change));
      if (change.topics?.includes('status') === true) parts.watchStatus(link, false);
      return subscribed('unsubscribed');
    },
    resume: (request) => {
      const { after, part, sessionIds, topics } = request.payload;
      events.checkCursor(after);
      subscribe({ sessionIds, topics });
      answer(request, { type: 'resumed', after, ...(part === undefined ? {} : { part }) });
      stream.resume({ seq: after, part: part ?? wholeEvent });
      return undefined;
    },
    list_runs: ({ payload = {} }) => ({ type: 'runs_list', ...calls.listRuns(payload) }),
    run_status: ({ payload }) => ({ type: 'run_status_update', run: runNow(payload.runId) }),
    abort_run: async ({ payload }) => {
      await runs.abort(payload.runId);
      return { type: 'run_status_update', run: runNow(payload.runId) };
    },
    retry_run: (request) =>
      answerFirst(request, async () => {
        const { runId, fromStep } = request.payload;
        const run = await runs.retry(runId, { fromStep });
        subscribe({ sessionIds: [run.sessionId] });
        watchPlace(request, run.sessionId, run.id);
        return { type: 'run_status_update', run: runNow(run.id) };
      }),
    list_terminals: ({ payload = {} }) => ({
      type: 'terminals_list',
      terminals: terminals.list(payload).map(daemonTerminal),
    }),
    spawn_terminal: async ({ payload }) => ({
      type: 'terminal_spawned',
      terminal: daemonTerminal(await terminals.spawn(payload)),
    }),
    terminal_input: async ({ payload: { terminalId, data } }) => {
      await terminals.write(terminalId, data);
      return { type: 'terminal_done', terminalId };
    },
    terminal_resize: async ({ payload: { terminalId, cols, rows } }) => {
      await terminals.resize(terminalId, cols, rows);
      return { type: 'terminal_done', terminalId };
    },
    kill_terminal: async ({ payload: { terminalId } }) => {
      await terminals.kill(terminalId);
      return { type: 'terminal_done', terminalId };
    },
    attach_terminal: async (request) => {
      const { terminalId, from } = request.payload;
      await links.attach(terminalId, from, (frame) => answer(request, frame));
      return undefined;
    },
    terminal_ack: ({ payload: { terminalId, offset } }) => {
      links.ack(terminalId, offset);
      return undefined;
    },
    detach_terminal: ({ payload: { terminalId } }) => {
      links.detach(terminalId);
      return { type: 'terminal_done', terminalId };
    },
  };
  const runNow = (id: string): ReturnType<typeof daemonRun> =>
    daemonRun(runs.get(id), runs.queuePosition(id));

  const run = async (request: DaemonRequest): Promise<void> => {
    try {
      checkScope(caller, scopeOf[request.type]);
      // The handler found by its type takes requests of that type; the compiler cannot follow that through the union.
      const handler = handlers[request.type] as (request: DaemonRequest) => Answer | Promise<Answer>;
      const result = handler(request);
      // What can be answered at once is, so that answers come in the order of requests.
      const frame = result instanceof Promise ? await result : result;
      if (frame !== undefined) answer(request, frame);
    } catch (error) {
      fail(request, error);
    }
  };
  return {
    handle: (request) => void run(request),
    drained: () => stream.drained(),
    dispose: () => disposables.dispose(),
  };
}

function changeOf({ sessionIds = [], sessionId, topics }: SubscribePayload): SubscriptionChange {
  return { sessionIds: [...sessionIds, ...(sessionId === undefined ? [] : [sessionId])], topics };
}

function sessionOf(request: DaemonRequest): string | undefined {
  if (!('payload' in request) || request.payload === undefined) return undefined;
  return 'sessionId' in request.payload ? request.payload.sessionId : undefined;
}
