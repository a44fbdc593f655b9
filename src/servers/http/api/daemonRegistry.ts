import * as z from 'zod/mini';
import { anyRecord, idText } from '../../../protocol/daemon/shapes.ts';

const shortText = z.string().check(z.minLength(1), z.maxLength(200));

/** Contract 002, section 7. */
export const daemonInfo = z.object({
  instanceId: idText,
  version: shortText,
  host: shortText,
  port: z.int().check(z.minimum(1), z.maximum(65_535)),
  protocol: z.enum(['http', 'https', 'ws', 'wss']),
  startedAt: z.iso.datetime({ offset: true }),
  capabilities: z.optional(z.array(shortText).check(z.maxLength(100))),
  metadata: z.optional(anyRecord),
});

export const registration = z.object({
  orchestratorId: shortText,
  organizationId: z.optional(shortText),
  /** Taken for the reference's clients. The token of the request is what counts; this is neither checked nor kept. */
  apiKey: z.optional(z.string()),
  daemonInfo,
});
export type Registration = Omit<z.infer<typeof registration>, 'apiKey'>;

export const heartbeatStatus = z.enum(['active', 'idle', 'busy']);

export const registeredDaemon = z.object({
  ...daemonInfo.shape,
  orchestratorId: z.string(),
  organizationId: z.optional(z.string()),
  /** Online for 90 s after each sign of life. */
  online: z.boolean(),
  /** As it says of itself. */
  status: z.string(),
  lastHeartbeat: z.string(),
  registeredAt: z.string(),
  metrics: z.optional(anyRecord),
});
export type RegisteredDaemon = z.infer<typeof registeredDaemon>;

export const heartbeatIntervalMs = 30_000;
/** Three heartbeats. */
const lifeMs = 3 * heartbeatIntervalMs;
/** How many are kept; the one that was silent longest makes room. */
const daemonLimit = 256;

interface Entry {
  readonly by: string;
  readonly registration: Registration;
  readonly registeredAt: number;
  seenAt: number;
  status: string;
  metrics: Record<string, unknown> | undefined;
}

/**
 * Other daemons that have registered here, so that a client can choose among several. In memory: after a restart each
 * one's next heartbeat is answered 404, and it registers again.
 */
export class DaemonRegistry {
  private readonly now: () => number;
  private readonly entries = new Map<string, Entry>();

  constructor(now: () => number) {
    this.now = now;
  }

  /** @returns false where one of this id is online and has not been started anew since. */
  register(by: string, { orchestratorId, organizationId, daemonInfo: info }: Registration): boolean {
    const known = this.entries.get(info.instanceId);
    const isSame = known?.registration.daemonInfo.startedAt === info.startedAt;
    if (known !== undefined && isSame && this.isOnline(known)) return false;
    this.entries.delete(info.instanceId);
    if (this.entries.size >= daemonLimit) this.forgetQuietest();
    const now = this.now();
    this.entries.set(info.instanceId, {
      by,
      registration: { orchestratorId, organizationId, daemonInfo: info },
      registeredAt: now,
      seenAt: now,
      status: 'active',
      metrics: undefined,
    });
    return true;
  }

  /**
   * @param instanceId the only one of this caller where missing.
   * @returns the id of the one that was meant; undefined where there is none.
   */
  find(by: string, instanceId: string | undefined): string | undefined {
    if (instanceId !== undefined) return this.entries.has(instanceId) ? instanceId : undefined;
    const own = [...this.entries].filter(([, entry]) => entry.by === by);
    return own.length === 1 ? own[0]?.[0] : undefined;
  }

  /** A sign of life, with what it says of itself. */
  note(
    instanceId: string,
    change: { readonly status?: string | undefined; readonly metrics?: Record<string, unknown> | undefined },
  ): void {
    const entry = this.entries.get(instanceId);
    if (entry === undefined) return;
    entry.seenAt = this.now();
    entry.status = change.status ?? entry.status;
    entry.metrics = change.metrics ?? entry.metrics;
  }

  remove(instanceId: string): void {
    this.entries.delete(instanceId);
  }

  /** In the order in which they came. */
  list(): RegisteredDaemon[] {
    return [...this.entries.values()].map((entry) => {
      const { registration: known, metrics } = entry;
      const { daemonInfo: info, orchestratorId, organizationId } = known;
      return {
        ...info,
        orchestratorId,
        ...(organizationId === undefined ? {} : { organizationId }),
        online: this.isOnline(entry),
        status: entry.status,
        lastHeartbeat: new Date(entry.seenAt).toISOString(),
        registeredAt: new Date(entry.registeredAt).toISOString(),
        ...(metrics === undefined ? {} : { metrics }),
      };
    });
  }

  private isOnline({ seenAt }: Entry): boolean {
    return this.now() - seenAt < lifeMs;
  }

  private forgetQuietest(): void {
    const [quietest] = [...this.entries].toSorted(([, a], [, b]) => a.seenAt - b.seenAt);
    if (quietest !== undefined) this.entries.delete(quietest[0]);
  }
}
