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

  has(sessionId: string): boolean {
    return this.sessions.has(sessionId) || this.sessions.has('*');
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
    return {
      sessionIds: this.sessions.size > maxIds ? ['*'] : [...this.sessions],
      topics: [...this.topics],
    };
  }
}
