import * as z from 'zod/mini';
import { OrchestratorError } from '../../base/errors.ts';
import type { ModelRunSpec } from '../../core/runs/modelRunSpec.ts';
import type { ToolSecrets } from '../../core/tools/toolServer.ts';

const texts = z.record(z.string(), z.string());
const count = z.int().check(z.positive());

const provider = z.object({
  id: z.string(),
  title: z.string(),
  kind: z.enum(['openai', 'anthropic', 'ollama', 'vscode']),
  baseUrl: z.string(),
  keyEnv: z.nullable(z.string()),
  defaultModel: z.nullable(z.string()),
  prices: z.record(z.string(), z.object({ input: z.number(), output: z.number() })),
  idleTimeoutMs: count,
  contextTokens: count,
});

const serverBase = {
  name: z.string(),
  displayName: z.string(),
  aliases: texts,
  callTimeoutMs: z.number(),
};

const server = z.discriminatedUnion('kind', [
  z.object({
    ...serverBase,
    kind: z.literal('stdio'),
    command: z.string(),
    args: z.array(z.string()),
    cwd: z.nullable(z.string()),
    env: texts,
    secretEnv: z.array(z.string()),
  }),
  z.object({
    ...serverBase,
    kind: z.literal('http'),
    url: z.string(),
    headers: texts,
    secretHeaders: z.array(z.string()),
  }),
]);

const spec = z.object({
  runId: z.string(),
  task: z.string(),
  provider,
  model: z.string(),
  reasoningEffort: z.nullable(z.enum(['low', 'medium', 'high'])),
  maxOutputTokens: count,
  maxSteps: count,
  maxTokens: z.nullable(count),
  maxCostUsd: z.nullable(z.number()),
  reflects: z.boolean(),
  code: z.nullable(z.enum(['container', 'terminal'])),
  tools: z.object({
    mode: z.enum(['auto', 'custom']),
    providers: z.nullable(z.array(z.string())),
    tools: z.nullable(z.array(z.string())),
  }),
  servers: z.array(server),
  toolsAllowed: z.array(z.string()),
  cwd: z.string(),
  platformHint: z.nullable(z.string()),
  platform: z.string(),
  timeoutMs: z.nullable(z.number()),
  ignored: z.array(z.string()),
});

/**
 * The spec that a worker was started with, checked: it was written by a core that may be of another version.
 * @throws OrchestratorError `protocol_violation`
 */
export function parseModelRunSpec(value: unknown): ModelRunSpec {
  const parsed = z.safeParse(spec, value);
  if (parsed.success) return parsed.data;
  const place = parsed.error.issues[0]?.path.join('.') ?? '';
  throw new OrchestratorError(
    'INVALID_ARGUMENT',
    'protocol_violation',
    `The worker of a model was started with a spec whose "${place}" is missing or wrong. Reload the window (or restart orchestrator serve), so that all parts are of one version.`,
  );
}

const keys = z.record(z.string(), z.string());
const secrets = z.record(z.string(), texts);

/** What stands in the environment for us: keys by provider. Nothing where it makes no sense. */
export function parseModelKeys(text: string | undefined): Readonly<Record<string, string>> {
  return z.safeParse(keys, jsonOf(text)).data ?? {};
}

export function parseToolSecrets(text: string | undefined): ToolSecrets {
  return z.safeParse(secrets, jsonOf(text)).data ?? {};
}

function jsonOf(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '{}');
  } catch {
    return {};
  }
}
