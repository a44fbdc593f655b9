import * as z from 'zod/mini';

/**
 * Messages between the Daemon view (a webview) and its host, which sends the whole view whenever it changes and each
 * second while the daemon runs: words and numbers as they are to be shown.
 */

/** Of what the chart shows: seconds and values. */
const loadSeries = z.object({
  label: z.string(),
  /** Of now, with its unit. */
  now: z.string(),
  /** The largest in the time that is shown, with its unit. */
  most: z.string(),
  /** The oldest first: how many seconds ago, and 0 to 1 of the largest; null where nothing was measured. */
  points: z.array(z.tuple([z.number(), z.nullable(z.number())])),
});
export type LoadSeries = z.infer<typeof loadSeries>;

export const daemonView = z.object({
  state: z.enum(['untrusted', 'stopped', 'starting', 'running', 'stopping', 'failed', 'elsewhere']),
  /** What the state means to the person: a sentence. */
  note: z.optional(z.string()),
  url: z.optional(z.string()),
  figures: z.array(z.object({ label: z.string(), value: z.string() })),
  /** Seconds that the chart spans. */
  span: z.number(),
  load: z.array(loadSeries),
  subsystems: z.array(
    z.object({
      name: z.string(),
      status: z.enum(['running', 'degraded', 'error', 'stopped']),
      detail: z.string(),
    }),
  ),
});
export type DaemonView = z.infer<typeof daemonView>;

/** Extension host → view. */
export const daemonViewHostMessage = z.object({ type: z.literal('show'), view: daemonView });
export type DaemonViewHostMessage = z.infer<typeof daemonViewHostMessage>;

export const daemonActions = [
  'start',
  'stop',
  'copyAddress',
  'copyToken',
  'showLog',
  'connect',
  'openSettings',
  'manageTrust',
] as const;
export type DaemonAction = (typeof daemonActions)[number];

/** View → extension host. */
export const daemonViewMessage = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready') }),
  z.object({ type: z.literal('do'), action: z.enum(daemonActions) }),
]);
export type DaemonViewMessage = z.infer<typeof daemonViewMessage>;
