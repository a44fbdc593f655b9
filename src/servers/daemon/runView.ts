import type { Run } from '../../core/runs/run.ts';
import type { DaemonRun } from '../../protocol/daemon/shapes.ts';
import { isoDate } from './words.ts';

/** A run as clients of the daemon know it. */
export function daemonRun(run: Run, queuePosition?: number): DaemonRun {
  const { id, sessionId, request, status, createdAt, startedAt, endedAt, error } = run;
  return {
    id,
    sessionId,
    task: request.task,
    engine: request.engine ?? 'shell',
    status,
    createdAt: isoDate(createdAt),
    ...(startedAt === undefined ? {} : { startedAt: isoDate(startedAt) }),
    ...(endedAt === undefined ? {} : { endedAt: isoDate(endedAt) }),
    steps: run.steps.map(({ index, command, status, exitCode, durationMs }) => ({
      index,
      command,
      status,
      ...(exitCode === undefined ? {} : { exitCode }),
      ...(durationMs === undefined ? {} : { durationMs }),
    })),
    ...(error === undefined ? {} : { error: error.message }),
    ...(queuePosition === undefined ? {} : { queuePosition }),
  };
}
