import type { SubscribePayload } from '../../protocol/daemon/requests.ts';

export type DaemonTopic = NonNullable<SubscribePayload['topics']>[number];

export interface SubscriptionRequest {
  /** Their chunks, tool calls and runs; `*` for all sessions. */
  readonly sessionIds?: readonly string[] | undefined;
  readonly topics?: readonly DaemonTopic[] | undefined;
}

/** The most ids that one request may name. */
const maxIds = 1_000;

/** What a client wants of the stream: it is asked for again with every connection. */
export class Subscriptions {
  private readonly sessions = new Set<string>();
  private readonly topics = new Set<DaemonTopic>();
  /** How many watch a session, beside whoever has subscribed to it for good. */
  private readonly watchers = new Map<string, number>();

  get isEmpty(): boolean {
    return this.sessions.size + this.topics.size + this.watchers.size === 0;
  }

  has(sessionId: string): boolean {
    return this.sessions.has(sessionId) || this.sessions.has('*') || this.watchers.has(sessionId);
  }

  watch(sessionId: string): void {
    this.watchers.set(sessionId, (this.watchers.get(sessionId) ?? 0) + 1);
  }

  unwatch(sessionId: string): void {
    const left = (this.watchers.get(sessionId) ?? 1) - 1;
    if (left > 0) this.watchers.set(sessionId, left);
    else this.watchers.delete(sessionId);
  }

  add({ sessionIds = [], topics = [] }: SubscriptionRequest): void {
    for (const id of sessionIds) this.sessions.add(id);
    for (const topic of topics) this.topics.add(topic);
  }

  remove({ sessionIds = [], topics = [] }: SubscriptionRequest): void {
    for (const id of sessionIds) this.sessions.delete(id);
    for (const topic of topics) this.topics.delete(topic);
  }

  /** More sessions than a request may name are asked for as all of them. */
  toPayload(): { sessionIds: string[]; topics: DaemonTopic[] } {
    const sessionIds = [...new Set([...this.sessions, ...this.watchers.keys()])];
    return {
      sessionIds: sessionIds.length > maxIds ? ['*'] : sessionIds,
      topics: [...this.topics],
    };
  }
}
