import type { DaemonStatus } from '../../protocol/daemon/shapes.ts';

interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: 'gauge' | 'counter';
  readonly samples: readonly Sample[];
}

interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

export const metricsContentType = 'text/plain; version=0.0.4; charset=utf-8';

/** The daemon's status as Prometheus reads it: the text format, version 0.0.4. */
export function metricsText(status: DaemonStatus): string {
  return metricsOf(status).map(textOf).join('');
}

function metricsOf(status: DaemonStatus): Metric[] {
  const { metrics, connections, process: server, limits } = status;
  const gauge = (name: string, help: string, value: number | undefined): Metric[] =>
    value === undefined ? [] : [{ name, help, type: 'gauge', samples: [{ value }] }];
  const counter = (name: string, help: string, value: number | undefined): Metric[] =>
    value === undefined ? [] : [{ name, help, type: 'counter', samples: [{ value }] }];
  const states = ['initializing', 'running', 'degraded', 'stopped'] as const;
  return [
    {
      name: 'orchestrator_status',
      help: 'State of the daemon: 1 for the one that it is in.',
      type: 'gauge',
      samples: states.map((state) => ({ labels: { state }, value: status.status === state ? 1 : 0 })),
    },
    ...gauge('orchestrator_uptime_seconds', 'Time since the start of the daemon.', status.uptime / 1_000),
    ...gauge(
      'orchestrator_active_sessions',
      'Sessions with a task that runs or waits.',
      status.activeSessions,
    ),
    ...gauge('orchestrator_queued_tasks', 'Tasks that wait for their turn.', status.queuedTasks),
    ...counter('orchestrator_sessions_spawned_total', 'Sessions ever made.', metrics.totalSessionsSpawned),
    ...counter('orchestrator_tasks_processed_total', 'Tasks that have ended.', metrics.totalTasksProcessed),
    ...counter('orchestrator_tokens_used_total', 'Tokens that agents have used.', metrics.totalTokensUsed),
    ...gauge(
      'orchestrator_task_duration_seconds_average',
      'Time from the start of a task to its end, of those that have ended.',
      metrics.averageSessionDuration / 1_000,
    ),
    ...gauge(
      'orchestrator_task_success_ratio',
      'Tasks that succeeded, of those that have ended.',
      metrics.successRate,
    ),
    {
      name: 'orchestrator_subsystem_up',
      help: 'Whether a subsystem runs; its state is a label.',
      type: 'gauge',
      samples: Object.entries(status.subsystems).map(([subsystem, { status: state }]) => ({
        labels: { subsystem, state },
        value: state === 'running' ? 1 : 0,
      })),
    },
    ...gauge('orchestrator_clients', 'Clients that are connected.', connections?.clients),
    ...counter('orchestrator_frames_sent_total', 'Frames sent to clients.', connections?.framesSent),
    ...counter('orchestrator_bytes_sent_total', 'Bytes sent to clients.', connections?.bytesSent),
    ...counter(
      'orchestrator_frames_received_total',
      'Frames taken from clients.',
      connections?.framesReceived,
    ),
    ...counter('orchestrator_bytes_received_total', 'Bytes taken from clients.', connections?.bytesReceived),
    ...gauge('orchestrator_resident_memory_bytes', 'Memory of the daemon.', server?.rssBytes),
    ...gauge(
      'orchestrator_cpu_ratio',
      'Of one processor, since the last time it was asked for.',
      server === undefined ? undefined : server.cpuPercent / 100,
    ),
    ...gauge('orchestrator_sessions_limit', 'Sessions that are allowed at a time.', limits?.maxSessions),
    ...gauge('orchestrator_tasks_limit', 'Tasks that are allowed at a time.', limits?.maxTasks),
    {
      name: 'orchestrator_build_info',
      help: 'The version that runs.',
      type: 'gauge',
      samples: [{ labels: { version: server?.version ?? '' }, value: 1 }],
    },
  ];
}

function textOf({ name, help, type, samples }: Metric): string {
  const lines = samples.map(({ labels = {}, value }) => {
    const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escaped(text)}"`);
    return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}\n`;
  });
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
