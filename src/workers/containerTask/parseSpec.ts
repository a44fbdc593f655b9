import * as z from 'zod/mini';
import { OrchestratorError } from '../../base/errors.ts';
import type { ContainerTaskSpec } from '../../core/containerTasks/containerTaskSpec.ts';

const spec = z.object({
  runId: z.string(),
  taskId: z.string(),
  taskName: z.string(),
  title: z.string(),
  paths: z.object({
    folder: z.string(),
    socketFolder: z.string(),
    socket: z.string(),
    apiSocket: z.string(),
    endpointFile: z.string(),
  }),
  listenHosts: z.array(z.string()).check(z.minLength(1)),
  advertisedHost: z.string(),
  executable: z.nullable(
    z.discriminatedUnion('type', [
      z.object({ type: z.literal('node'), file: z.string(), args: z.array(z.string()) }),
      z.object({ type: z.literal('command'), command: z.array(z.string()).check(z.minLength(1)) }),
    ]),
  ),
  wantsContainer: z.boolean(),
  environmentNames: z.array(z.string()),
  cwd: z.string(),
  timeoutMs: z.nullable(z.number()),
  publicApi: z.boolean(),
  platform: z.string(),
});

/**
 * The spec that a worker was started with, checked: it was written by a core that may be of another version.
 * @throws OrchestratorError `protocol_violation`
 */
export function parseContainerTaskSpec(value: unknown): ContainerTaskSpec {
  const parsed = z.safeParse(spec, value);
  if (parsed.success) return parsed.data;
  const place = parsed.error.issues[0]?.path.join('.') ?? '';
  throw new OrchestratorError(
    'INVALID_ARGUMENT',
    'protocol_violation',
    `The worker of a container task was started with a spec whose "${place}" is missing or wrong. Reload the window (or restart orchestrator serve), so that all parts are of one version.`,
  );
}
