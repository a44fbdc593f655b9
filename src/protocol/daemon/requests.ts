import * as z from 'zod/mini';
import { anyRecord, daemonSessionStatus, idText, priority, sessionType, taskLimit } from './shapes.ts';

/**
 * What a client sends, one JSON object a message: seed 002, "Client → Server Messages", and contract 002, section 3.
 * Everything may carry a `requestId`, which its answers carry too (ours). Further fields are allowed and ignored.
 */

const sequence = z.int().check(z.nonnegative());
const taskText = z.string().check(z.minLength(1), z.maxLength(taskLimit));
const requestId = z.optional(z.string().check(z.minLength(1), z.maxLength(200)));
const pageSize = z.optional(z.int().check(z.minimum(1), z.maximum(1_000)));
const terminalSize = z.int().check(z.minimum(1), z.maximum(1_000));

/** A plain text is a task of type `general` and priority `medium` (contract 002, section 3). */
const spawnTask = z.union([
  taskText,
  z.object({
    type: z.optional(z.string().check(z.maxLength(100))),
    description: taskText,
    priority: z.optional(priority),
    status: z.optional(z.string()),
    metadata: z.optional(anyRecord),
  }),
]);

export const spawnPayload = z.object({
  /** `default` when missing. */
  orchestratorId: z.optional(z.string().check(z.maxLength(100))),
  task: spawnTask,
  /** `claude-code` when missing, as in the reference. */
  sessionType: z.optional(sessionType),
  /** Kept with the session; there is no memory that it could choose. */
  memoryProfile: z.optional(z.string().check(z.maxLength(200))),
  /** Ours, from here on. */
  name: z.optional(z.string().check(z.maxLength(120))),
  /** Absolute; the daemon's default directory when missing. */
  cwd: z.optional(z.string().check(z.maxLength(4_096))),
  /** Of a session of type `container`. */
  image: z.optional(z.string().check(z.maxLength(1_000))),
  /** Milliseconds; none when missing. */
  timeoutMs: z.optional(z.int().check(z.positive())),
});
export type SpawnPayload = z.infer<typeof spawnPayload>;

export const executePayload = z.object({
  sessionId: idText,
  task: taskText,
  /** Handed to engines that know what to do with it; the shell does not. */
  context: z.optional(anyRecord),
  /** False: no chunks and tool calls for this task, only how it stands. Default: true. */
  streamResponse: z.optional(z.boolean()),
  priority: z.optional(priority),
  timeoutMs: z.optional(z.int().check(z.positive())),
});
export type ExecutePayload = z.infer<typeof executePayload>;

/** Ours. `sessions`: every session's status (everyone has that); `events`: the core's own log; `status`: the daemon's, each second. */
export const topics = ['sessions', 'runs', 'terminals', 'events', 'status'] as const;

const subscribePayload = z.object({
  /** Their chunks, tool calls and runs. `*` for all sessions. */
  sessionIds: z.optional(z.array(idText).check(z.maxLength(1_000))),
  sessionId: z.optional(idText),
  topics: z.optional(z.array(z.enum(topics)).check(z.maxLength(topics.length))),
});
export type SubscribePayload = z.infer<typeof subscribePayload>;

const bySession = z.object({ sessionId: idText });
const byRun = z.object({ runId: idText });
const byTerminal = z.object({ terminalId: idText });

const request = <T extends string, P extends z.core.$ZodType>(type: T, payload: P) =>
  z.object({ type: z.literal(type), requestId, payload });
const bare = <T extends string>(type: T) => z.object({ type: z.literal(type), requestId });

export const authRequest = z.object({
  type: z.literal('auth'),
  requestId,
  /** The access token, or a JWT where the daemon takes these. */
  token: z.string().check(z.minLength(1), z.maxLength(8_192)),
});

/** Every request besides `auth`, by its `type`. */
export const daemonRequest = z.discriminatedUnion('type', [
  bare('ping'),
  bare('health_check'),
  bare('daemon_status'),
  z.object({
    type: z.literal('list_sessions'),
    requestId,
    payload: z.optional(
      z.object({
        limit: pageSize,
        /** `nextCursor` of the page before. */
        cursor: z.optional(z.string().check(z.maxLength(200))),
        status: z.optional(daemonSessionStatus),
        orchestratorId: z.optional(z.string()),
      }),
    ),
  }),
  request('session_status', bySession),
  request('spawn_session', spawnPayload),
  request('execute_task', executePayload),
  request('stop_session', bySession),
  request('subscribe', subscribePayload),
  request('unsubscribe', subscribePayload),
  request(
    'resume',
    z.object({
      /** The `seq` of the last frame of the stream that arrived, and its `part`; 0 for everything that is kept. */
      after: sequence,
      part: z.optional(sequence),
      /** As with `subscribe`: what the stream is to hold, from that place on. */
      sessionIds: z.optional(z.array(idText).check(z.maxLength(1_000))),
      topics: z.optional(z.array(z.enum(topics)).check(z.maxLength(topics.length))),
    }),
  ),
  z.object({
    type: z.literal('list_runs'),
    requestId,
    payload: z.optional(
      z.object({
        sessionId: z.optional(idText),
        limit: pageSize,
        cursor: z.optional(z.string().check(z.maxLength(200))),
      }),
    ),
  }),
  request('run_status', byRun),
  request('abort_run', byRun),
  request('retry_run', z.object({ runId: idText, fromStep: z.optional(z.int().check(z.positive())) })),
  z.object({
    type: z.literal('list_terminals'),
    requestId,
    payload: z.optional(z.object({ sessionId: z.optional(idText) })),
  }),
  request(
    'spawn_terminal',
    z.object({
      sessionId: z.optional(idText),
      name: z.optional(z.string().check(z.maxLength(120))),
      shell: z.optional(z.string().check(z.maxLength(4_096))),
      args: z.optional(z.array(z.string().check(z.maxLength(100_000))).check(z.maxLength(1_000))),
      cwd: z.optional(z.string().check(z.maxLength(4_096))),
      cols: z.optional(terminalSize),
      rows: z.optional(terminalSize),
    }),
  ),
  /** As it would be typed; UTF-8. */
  request('terminal_input', z.object({ terminalId: idText, data: z.string().check(z.maxLength(1_048_576)) })),
  request('terminal_resize', z.object({ terminalId: idText, cols: terminalSize, rows: terminalSize })),
  request('kill_terminal', byTerminal),
  /** Its screen, or its bytes from an offset on, and then what it prints: `terminal_attached`, `terminal_output` … */
  request('attach_terminal', z.object({ terminalId: idText, from: z.optional(sequence) })),
  /** Everything before `offset` was used: without it nothing comes beyond 256 KiB. */
  request('terminal_ack', z.object({ terminalId: idText, offset: sequence })),
  request('detach_terminal', byTerminal),
]);
export type DaemonRequest = z.infer<typeof daemonRequest>;
export type DaemonRequestOf<T extends DaemonRequest['type']> = Extract<DaemonRequest, { type: T }>;

/** The contract's texts for what is wrong with a message (section 3). */
export const invalidFormatText = 'Invalid message format';
export const unknownTypeText = 'Unknown message type';
