import type { Orchestrator } from '../../core/orchestrator.ts';
import { isRunEnded } from '../../core/runs/run.ts';
import type { DaemonStatus, Subsystem } from '../../protocol/daemon/shapes.ts';

/** Status of a core that a door serves which does not count by itself. */
export function coreStatus(
  orchestrator: Orchestrator,
  version: string,
  startedAt: number,
): () => DaemonStatus {
  let usage = process.cpuUsage();
  let measuredAt = performance.now();
  const cpuPercent = (): number => {
    const { user, system } = process.cpuUsage(usage);
    const now = performance.now();
    const percent = now === measuredAt ? 0 : (user + system) / 10 / (now - measuredAt);
    usage = process.cpuUsage();
    measuredAt = now;
    return percent;
  };
  return () => {
    const { sessions, runs, processHost } = orchestrator;
    const lastCheck = new Date().toISOString();
    const is = (running: boolean, detail: string): Subsystem => ({
      status: running ? 'running' : 'stopped',
      lastCheck,
      detail,
    });
    const active = new Set(runs.active().map(({ sessionId }) => sessionId)).size;
    const ended = runs.list({ limit: 1_000 }).filter((run) => isRunEnded(run));
    const succeeded = ended.filter(({ status }) => status === 'succeeded').length;
    const durations = ended.flatMap(({ endedAt, startedAt: begun }) =>
      endedAt === undefined || begun === undefined ? [] : [endedAt - begun],
    );
    const { runningRuns, queuedRuns, liveTerminals } = orchestrator.activity();
    return {
      status: orchestrator.isReady ? 'running' : 'stopped',
      uptime: Date.now() - startedAt,
      activeSessions: active,
      queuedTasks: queuedRuns,
      metrics: {
        totalSessionsSpawned: sessions.list({ includeClosed: true }).length,
        totalTasksProcessed: ended.length,
        totalTokensUsed: 0,
        averageSessionDuration:
          durations.reduce((sum, each) => sum + each, 0) / Math.max(1, durations.length),
        activeSessions: active,
        successRate: ended.length === 0 ? 1 : succeeded / ended.length,
      },
      subsystems: {
        sessionManager: is(orchestrator.isReady, `${sessions.list().length} open`),
        runManager: is(orchestrator.isReady, `${runningRuns} running, ${queuedRuns} queued`),
        processHost: is(processHost.connection.state === 'connected', `${liveTerminals} terminals`),
      },
      process: { pid: process.pid, version, rssBytes: process.memoryUsage.rss(), cpuPercent: cpuPercent() },
    };
  };
}
