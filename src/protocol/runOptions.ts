import * as z from 'zod/mini';

/** What the task box offers, and what a person chose there. */

const engineOption = z.object({
  /** As a run's request names it: `shell`, `claude-code`, `agent:<name>` … */
  id: z.string(),
  title: z.string(),
  description: z.string(),
  /** Why it cannot be used now: a sentence. */
  problem: z.optional(z.string()),
  /** The task is a sentence for somebody, not a command. */
  takesSentence: z.boolean(),
  /** Which overrides mean something to it. */
  uses: z.array(z.enum(['model', 'limits', 'tools', 'code'])),
});
export type EngineOption = z.infer<typeof engineOption>;

const modelOption = z.object({
  provider: z.string(),
  providerName: z.string(),
  /** The provider's own name of it. */
  model: z.string(),
  title: z.string(),
});
export type ModelOption = z.infer<typeof modelOption>;

const toolProviderOption = z.object({
  /** Lower case. */
  provider: z.string(),
  displayName: z.string(),
  isAuthorized: z.boolean(),
  isConfigured: z.boolean(),
  tools: z.array(z.object({ name: z.string(), description: z.string() })),
  /** Why there are none: a sentence. */
  problem: z.optional(z.string()),
});
export type ToolProviderOption = z.infer<typeof toolProviderOption>;

/** Where runs are carried out; the first one is this window's own orchestrator. */
const backendOption = z.object({ id: z.string(), title: z.string(), description: z.string() });
export type BackendOption = z.infer<typeof backendOption>;

export const localBackend = 'local';

export const runOptions = z.object({
  engines: z.array(engineOption),
  models: z.array(modelOption),
  toolProviders: z.array(toolProviderOption),
  backends: z.array(backendOption),
  /** What is still being asked for: a sentence for the disabled button. */
  isLoading: z.optional(z.string()),
});
export type RunOptions = z.infer<typeof runOptions>;

const name = z.string().check(z.maxLength(200));

/** What the person chose over the defaults; what is missing is the default. The host checks it like any request. */
export const runChoices = z.object({
  engine: z.optional(name),
  backend: z.optional(name),
  provider: z.optional(name),
  model: z.optional(name),
  reasoningEffort: z.optional(z.enum(['low', 'medium', 'high'])),
  maxSteps: z.optional(z.number()),
  maxTokens: z.optional(z.number()),
  maxCostUsd: z.optional(z.number()),
  timeoutMinutes: z.optional(z.number()),
  codeExecution: z.optional(z.boolean()),
  reflects: z.optional(z.boolean()),
  tools: z.optional(
    z.object({
      mode: z.enum(['auto', 'custom']),
      providers: z.nullable(z.array(name)),
      tools: z.nullable(z.array(name)),
    }),
  ),
});
export type RunChoices = z.infer<typeof runChoices>;

/** Sentences shorter than this are slips of the hand; commands such as `ls` are not. In characters, trimmed. */
export const shortestSentence = 5;
