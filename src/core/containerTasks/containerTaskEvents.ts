import type { CallbackNotification } from './callback.ts';

/** What the run of a container task reports besides the events that every run has. Keys as they go over every wire. */
export interface ContainerTaskEventData {
  /** The listener answers. The token is in none of these. */
  'container_task.listening': { readonly addresses: readonly string[]; readonly socket: string };
  'container_task.container': {
    readonly container_id: string;
    readonly name: string;
    readonly image: string;
    /** `host:port` for podCall; null where nothing is published. */
    readonly pod_address: string | null;
  };
  /** The worker listens, and waits for the core to make the container. */
  'container_task.container_wanted': Readonly<Record<string, never>>;
  'container_task.program_ended': {
    readonly exit_code: number | null;
    readonly reason: string;
    readonly message: string | null;
  };
  /** One callback that was taken, and what a person sees of it. */
  'container_task.callback': CallbackNotification & {
    readonly event_type: string;
    readonly payload: Readonly<Record<string, unknown>>;
    readonly timestamp: string | null;
    /** Status updates before it that a newer one replaced, because they came faster than anybody could see. */
    readonly replaced: number;
  };
  /** The executable's `namespace.logger`, and messages that could not be understood. */
  'container_task.notification': CallbackNotification;
  /** Requests that were refused since the last of these: at most one a second, and ever fewer while it goes on. */
  'container_task.refused': {
    readonly unauthenticated: number;
    readonly invalid: number;
    readonly over_limit: number;
  };
}
