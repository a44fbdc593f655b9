import { type Clock, systemClock } from '../../base/clock.ts';
import { type Disposable, DisposableStore } from '../../base/disposable.ts';
import type { Logger } from '../../base/logger.ts';
import type { Orchestrator } from '../../core/orchestrator.ts';
import type { DaemonStatus } from '../../protocol/daemon/shapes.ts';
import { topics as topicNames } from '../../protocol/daemon/requests.ts';
import type { DaemonApi, FramePage, FrameQuery } from '../http/daemonApi.ts';
import { contractError } from './contractErrors.ts';
import type { ClientLink } from './clientLink.ts';
import { serveClient } from './clientSession.ts';
import { createDaemonStatus, type DaemonStatusOptions } from './daemonStatus.ts';
import { SessionCalls } from './sessionCalls.ts';
import { SessionViews } from './sessionViews.ts';
import { wholeEvent } from './stream/frameReader.ts';
import { FrameStream } from './stream/frameStream.ts';
import { noSubscription, withSubscribed } from './stream/subscription.ts';

export interface DaemonLogicOptions
  extends Pick<DaemonStatusOptions, 'version' | 'subsystems' | 'connections' | 'limits'> {
  readonly orchestrator: Orchestrator;
  readonly logger: Logger;
  readonly clock?: Clock | undefined;
  /** How often the topic `status` tells, in milliseconds. Default: 1 s. */
  readonly statusIntervalMs?: number | undefined;
}

/** What the daemon does, behind whatever door. */
export interface DaemonLogic extends DaemonApi, Disposable {
  /** As `status`, at once. */
  readStatus(): DaemonStatus;
}

/** The daemon of a core that was started: seed 002 without its wire. */
export function createDaemonLogic(options: DaemonLogicOptions): DaemonLogic {
  const { orchestrator, logger, clock = systemClock, statusIntervalMs = 1_000 } = options;
  const now = (): number => clock.now();
  const disposables = new DisposableStore();
  const views = disposables.add(new SessionViews(orchestrator, now));
  const stream = disposables.add(new FrameStream(orchestrator, logger));
  const calls = new SessionCalls({ orchestrator, views });
  const status = disposables.add(createDaemonStatus({ ...options, startedAt: now(), now }));
  const pulse = disposables.add(
    statusPulse(clock, statusIntervalMs, () => ({
      status: status.read(),
      seq: orchestrator.events.lastSequence,
    })),
  );
  /** The promise of a door: what is thrown comes as its rejection, in the contract's words. */
  const call = <T>(read: () => T, sessionId?: string): Promise<T> =>
    new Promise((resolve, reject) => {
      try {
        resolve(read());
      } catch (error) {
        reject(contractError(error, sessionId));
      }
    });
  return {
    readStatus: () => status.read(),
    status: () => call(() => status.read()),
    listSessions: (query) => call(() => views.list(query)),
    getSession: (id) => call(() => views.get(id), id),
    spawn: (payload, request) => calls.spawn(payload, request),
    createSession: (payload, request) => calls.createSession(payload, request),
    execute: (payload, request) => calls.execute(payload, request),
    stop: (id) => calls.stop(id),
    update: (id, change) => calls.update(id, change),
    listRuns: (query) => call(() => calls.listRuns(query), query.sessionId),
    accept: (link) =>
      serveClient(link, {
        orchestrator,
        calls,
        views,
        stream,
        logger,
        status: () => status.read(),
        watchStatus: (client, isWanted) => pulse.watch(client, isWanted),
      }),
    readFrames: (query) => readFrames(orchestrator, stream, query),
    dispose: () => disposables.dispose(),
  };
}

async function readFrames(
  { events }: Orchestrator,
  stream: FrameStream,
  { after, sinceMs, sessionIds, topics, limit }: FrameQuery,
): Promise<FramePage> {
  const place =
    after === undefined
      ? { seq: sinceMs === undefined ? events.lastSequence : lastBefore(events, sinceMs), part: wholeEvent }
      : { seq: after.seq, part: after.part ?? wholeEvent };
  const known = topicNames.filter((topic) => topics.includes(topic));
  const page = await stream.read(place, withSubscribed(noSubscription, { sessionIds, topics: known }), limit);
  const { seq, part } = page.next;
  return { ...page, next: part === wholeEvent ? { seq } : { seq, part } };
}

/** The last sequence before a time. Times grow with sequences, so that a few looks are enough. */
function lastBefore(events: Orchestrator['events'], time: number): number {
  let low = 0;
  let high = events.lastSequence;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const [next] = events.read({ after: middle, limit: 1 });
    if (next === undefined || next.time >= time) high = middle;
    else low = next.sequence;
  }
  return low;
}

interface StatusPulse extends Disposable {
  watch(link: ClientLink, isWanted: boolean): void;
}

/** The status to all who want it, read once for all of them, and not at all where nobody does. */
function statusPulse(
  clock: Clock,
  intervalMs: number,
  read: () => { readonly status: DaemonStatus; readonly seq: number },
): StatusPulse {
  const links = new Set<ClientLink>();
  let timer: Disposable | undefined;
  const tell = (): void => {
    timer = clock.setTimer(intervalMs, tell);
    const { status, seq } = read();
    for (const link of [...links]) link.answer({ type: 'daemon_status_update', status, seq });
  };
  const stop = (): void => {
    timer?.dispose();
    timer = undefined;
  };
  return {
    watch(link, isWanted) {
      if (isWanted) links.add(link);
      else links.delete(link);
      if (links.size === 0) stop();
      else timer ??= clock.setTimer(intervalMs, tell);
    },
    dispose: () => {
      links.clear();
      stop();
    },
  };
}
