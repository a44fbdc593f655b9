import * as z from 'zod/mini';
import { OrchestratorError } from '../../base/errors.ts';
import { agentPermissions, type CodingAgent, type CodingAgentSpec } from '../../core/runs/codingAgents.ts';
import { adapters } from './adapters.ts';

const agents = Object.keys(adapters) as [CodingAgent, ...CodingAgent[]];
const tokens = z.int().check(z.nonnegative());

const spec = z.object({
  runId: z.string(),
  task: z.string(),
  agent: z.enum(agents),
  program: z.string().check(z.minLength(1)),
  cwd: z.string(),
  permissions: z.enum(agentPermissions),
  model: z.nullable(z.string()),
  conversation: z.nullable(z.string()),
  usedBefore: z.object({ inputTokens: tokens, outputTokens: tokens }),
  timeoutMs: z.nullable(z.number()),
  platform: z.string(),
});

/**
 * The spec that a worker was started with, checked: it was written by a core that may be of another version.
 * @throws OrchestratorError `protocol_violation`
 */
export function parseCodingAgentSpec(value: unknown): CodingAgentSpec {
  const parsed = z.safeParse(spec, value);
  if (parsed.success) return parsed.data;
  const place = parsed.error.issues[0]?.path.join('.') ?? '';
  throw new OrchestratorError(
    'INVALID_ARGUMENT',
    'protocol_violation',
    `The worker of a coding agent was started with a spec whose "${place}" is missing or wrong. Reload the window (or restart orchestrator serve), so that all parts are of one version.`,
  );
}
