import * as z from 'zod/mini';

/**
 * What the daemon's frames and HTTP answers are made of: seed 002, and contract 002, section 3 ("Data shapes"), field by
 * field. What the contract lacks and we add is marked as ours, and always optional for a reader.
 */

/** Longest id that is taken from a client, in characters. */
const idLimit = 200;
/** Longest text of a task, in characters. */
export const taskLimit = 100_000;

export const idText = z.string().check(z.minLength(1), z.maxLength(idLimit));
export const anyRecord = z.record(z.string(), z.unknown());

export const sessionTypes = ['shell', 'container', 'claude-code', 'codex', 'gemini', 'opencode'] as const;
export const sessionType = z.enum(sessionTypes);
export type DaemonSessionType = z.infer<typeof sessionType>;

export const priorities = ['low', 'medium', 'high', 'critical'] as const;
export const priority = z.enum(priorities);
export type TaskPriority = z.infer<typeof priority>;

export const daemonTask = z.object({
  id: z.string(),
  /** `code`, `research`, `analysis`, `custom`, `general`; any word is kept. */
  type: z.string(),
  description: z.string(),
  priority,
  status: z.enum(['pending', 'in_progress', 'completed', 'failed', 'cancelled']),
  /** ISO 8601, as every date here. */
  createdAt: z.string(),
  updatedAt: z.string(),
  metadata: z.optional(anyRecord),
});
export type DaemonTask = z.infer<typeof daemonTask>;

export const sessionStatuses = [
  'initializing',
  'running',
  'paused',
  'completed',
  'failed',
  'terminated',
] as const;
export const daemonSessionStatus = z.enum(sessionStatuses);
export type DaemonSessionStatus = z.infer<typeof daemonSessionStatus>;

export const sessionMetrics = z.object({
  tokensUsed: z.number(),
  /** Milliseconds since its start, or from its start to its end. */
  duration: z.number(),
  tasksCompleted: z.number(),
  errorsEncountered: z.number(),
  /** Milliseconds a task, of those that have ended; 0 where none has. */
  averageResponseTime: z.number(),
});
export type SessionMetrics = z.infer<typeof sessionMetrics>;

/** A session of the core as the seed's clients know sessions. */
export const daemonSession = z.object({
  id: z.string(),
  orchestratorId: z.string(),
  /** The newest task; before the first one an empty one of status `pending`. */
  task: daemonTask,
  type: sessionType,
  status: daemonSessionStatus,
  startedAt: z.string(),
  endedAt: z.optional(z.string()),
  /** The reference's memory; nothing of ours fills it, and its clients expect it to be there. */
  memoryContext: z.object({
    scratchpad: anyRecord,
    episodic: z.array(z.unknown()),
    semantic: z.array(z.unknown()),
  }),
  metrics: sessionMetrics,
  /** Ours. */
  name: z.optional(z.string()),
  /** Ours: where its tasks start. */
  cwd: z.optional(z.string()),
  /** Ours: from 1, where its newest task waits for its turn. */
  queuePosition: z.optional(z.number()),
});
export type DaemonSession = z.infer<typeof daemonSession>;

export const subsystem = z.object({
  status: z.enum(['running', 'degraded', 'error', 'stopped']),
  lastCheck: z.string(),
  errors: z.optional(z.array(z.string())),
  /** Ours: in words, for a person. */
  detail: z.optional(z.string()),
});
export type Subsystem = z.infer<typeof subsystem>;

export const daemonStatus = z.object({
  status: z.enum(['initializing', 'running', 'degraded', 'stopped']),
  /** Milliseconds since the daemon's start. */
  uptime: z.number(),
  /** Sessions with a task that runs or waits. */
  activeSessions: z.number(),
  queuedTasks: z.number(),
  metrics: z.object({
    totalSessionsSpawned: z.number(),
    /** Tasks that have ended, however they did. */
    totalTasksProcessed: z.number(),
    totalTokensUsed: z.number(),
    /** Milliseconds from a task's start to its end. */
    averageSessionDuration: z.number(),
    activeSessions: z.number(),
    /** 0 to 1: of the tasks that have ended, those that succeeded; 1 where none has ended. */
    successRate: z.number(),
  }),
  subsystems: z.record(z.string(), subsystem),
  /** Ours: of this door. */
  connections: z.optional(
    z.object({
      clients: z.number(),
      framesSent: z.number(),
      bytesSent: z.number(),
      framesReceived: z.number(),
      bytesReceived: z.number(),
    }),
  ),
  /** Ours: of the process that serves. */
  process: z.optional(
    z.object({
      pid: z.number(),
      version: z.string(),
      rssBytes: z.number(),
      /** Of one processor, in percent, since the last time it was asked for. */
      cpuPercent: z.number(),
    }),
  ),
  /** Ours: what is allowed at a time. */
  limits: z.optional(z.object({ maxSessions: z.number(), maxTasks: z.number() })),
});
export type DaemonStatus = z.infer<typeof daemonStatus>;

export const runStatuses = ['queued', 'running', 'succeeded', 'failed', 'cancelled', 'timed_out'] as const;
export const runStatus = z.enum(runStatuses);

/** Ours: a run, which is a task of a session. */
export const daemonRun = z.object({
  id: z.string(),
  sessionId: z.string(),
  task: z.string(),
  engine: z.string(),
  status: runStatus,
  createdAt: z.string(),
  startedAt: z.optional(z.string()),
  endedAt: z.optional(z.string()),
  steps: z.array(
    z.object({
      index: z.number(),
      command: z.string(),
      status: z.string(),
      exitCode: z.optional(z.nullable(z.number())),
      durationMs: z.optional(z.number()),
    }),
  ),
  error: z.optional(z.string()),
  /** From 1, while it waits for its turn. */
  queuePosition: z.optional(z.number()),
});
export type DaemonRun = z.infer<typeof daemonRun>;

/** Ours. */
export const daemonTerminal = z.object({
  id: z.string(),
  sessionId: z.string(),
  name: z.string(),
  /** The owner, `null` for a person. */
  managedBy: z.nullable(z.string()),
  shell: z.string(),
  cwd: z.string(),
  cols: z.number(),
  rows: z.number(),
  state: z.string(),
  pid: z.number(),
  createdAt: z.string(),
  exitCode: z.optional(z.nullable(z.number())),
});
export type DaemonTerminal = z.infer<typeof daemonTerminal>;
