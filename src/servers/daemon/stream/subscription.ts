import type { topics as topicNames } from '../../../protocol/daemon/requests.ts';

export type Topic = (typeof topicNames)[number];

/** Whom a frame of the stream is for. */
export type Audience =
  | { readonly kind: 'everyone' }
  /** Chunks and tool calls: those of its session who did not ask for the task without them. */
  | { readonly kind: 'output'; readonly sessionId: string; readonly taskId: string }
  | { readonly kind: 'session'; readonly sessionId: string }
  | { readonly kind: 'topic'; readonly topic: Topic; readonly sessionId: string | undefined };

/** What of the stream one client wants. Never changed, but replaced: those who want the same share what they get. */
export interface Subscription {
  /** `*`. */
  readonly hasAllSessions: boolean;
  readonly sessions: ReadonlySet<string>;
  readonly topics: ReadonlySet<Topic>;
  /** Tasks that were asked for without their chunks. */
  readonly mutedTasks: ReadonlySet<string>;
}

export interface SubscriptionChange {
  readonly sessionIds?: readonly string[] | undefined;
  readonly topics?: readonly Topic[] | undefined;
  readonly mutedTask?: string | undefined;
}

export const noSubscription: Subscription = {
  hasAllSessions: false,
  sessions: new Set(),
  topics: new Set(),
  mutedTasks: new Set(),
};

/** The oldest are forgotten: they have ended long since. */
const mutedLimit = 1_000;

export function withSubscribed(before: Subscription, change: SubscriptionChange): Subscription {
  const { sessionIds = [], topics = [], mutedTask } = change;
  const muted = [...before.mutedTasks, ...(mutedTask === undefined ? [] : [mutedTask])];
  return {
    hasAllSessions: before.hasAllSessions || sessionIds.includes('*'),
    sessions: new Set([...before.sessions, ...sessionIds.filter((id) => id !== '*')]),
    topics: new Set([...before.topics, ...topics]),
    mutedTasks: new Set(muted.slice(-mutedLimit)),
  };
}

export function withoutSubscribed(before: Subscription, change: SubscriptionChange): Subscription {
  const sessionIds = new Set(change.sessionIds);
  const topics = new Set(change.topics);
  return {
    ...before,
    hasAllSessions: before.hasAllSessions && !sessionIds.has('*'),
    sessions: new Set([...before.sessions].filter((id) => !sessionIds.has('*') && !sessionIds.has(id))),
    topics: new Set([...before.topics].filter((topic) => !topics.has(topic))),
  };
}

export function wants(subscription: Subscription, audience: Audience): boolean {
  switch (audience.kind) {
    case 'everyone':
      return true;
    case 'output':
      return wantsSession(subscription, audience.sessionId) && !subscription.mutedTasks.has(audience.taskId);
    case 'session':
      return wantsSession(subscription, audience.sessionId);
    case 'topic':
      if (!subscription.topics.has(audience.topic)) return false;
      // Events are many: whoever names sessions gets those of these.
      return (
        audience.topic !== 'events' ||
        subscription.sessions.size === 0 ||
        (audience.sessionId !== undefined && wantsSession(subscription, audience.sessionId))
      );
  }
}

/** The same text for those who want the same. */
export function keyOf({ hasAllSessions, sessions, topics, mutedTasks }: Subscription): string {
  return JSON.stringify([hasAllSessions, [...sessions].sort(), [...topics].sort(), [...mutedTasks].sort()]);
}

function wantsSession({ hasAllSessions, sessions }: Subscription, id: string): boolean {
  return hasAllSessions || sessions.has(id);
}
