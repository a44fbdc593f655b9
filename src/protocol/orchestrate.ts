import * as z from 'zod/mini';

/**
 * What `POST /orchestrate/stream` takes: seed 004, section 2, with the rules of its source (contract 004, section 3) and
 * what is marked as ours. Unknown fields are accepted and ignored. Each message is a whole sentence for the caller.
 */

const labelLimit = 200;

const text = (name: string, limit = 100_000) =>
  z
    .string({ error: `${name} must be a string` })
    .check(z.maxLength(limit, { error: `${name} must have at most ${limit} characters` }));
const count = (name: string) =>
  z
    .int({ error: `${name} must be a whole number` })
    .check(z.minimum(1, { error: `${name} must be at least 1` }));
const flag = (name: string) => z.boolean({ error: `${name} must be true or false` });
/** Null is as good as nothing. */
const maybe = <T extends z.ZodMiniType>(schema: T) =>
  z.pipe(
    z.optional(z.nullable(schema)),
    z.transform((value) => value ?? undefined),
  );

export const reasoningEfforts = ['low', 'medium', 'high'] as const;

const engineParams = z.looseObject(
  {
    engine_type: maybe(text('worker.engine_params.engine_type', labelLimit)),
    model: maybe(text('worker.engine_params.model', labelLimit)),
    /** Ours: with the engine type `model`, a provider by its id. */
    provider: maybe(text('worker.engine_params.provider', labelLimit)),
    reasoning_effort: maybe(
      z.enum(reasoningEfforts, {
        error: `worker.engine_params.reasoning_effort must be one of ${reasoningEfforts.join(', ')}`,
      }),
    ),
    max_output_tokens: maybe(count('worker.engine_params.max_output_tokens')),
    /** Ours: with the engine type `agent`, the name of a registered agent. */
    agent: maybe(text('worker.engine_params.agent', labelLimit)),
    /** Ours: with the engine type `container`. */
    image: maybe(text('worker.engine_params.image', 500)),
    /** Ours: with a coding agent. */
    permission_mode: maybe(text('worker.engine_params.permission_mode', labelLimit)),
  },
  { error: 'worker.engine_params must be an object' },
);

const worker = z.looseObject(
  {
    engine_params: z.prefault(engineParams, {}),
    max_steps: maybe(count('worker.max_steps')),
    enable_reflection: maybe(flag('worker.enable_reflection')),
  },
  { error: 'worker must be an object' },
);

const budget = z.looseObject(
  {
    max_tokens: maybe(count('budget.max_tokens')),
    max_cost_usd: maybe(
      z
        .number({ error: 'budget.max_cost_usd must be a number' })
        .check(z.gt(0, { error: 'budget.max_cost_usd must be more than 0' })),
    ),
  },
  { error: 'budget must be an object' },
);

const names = (name: string, clean: (item: string) => string) =>
  z.pipe(
    maybe(
      z
        .array(z.string({ error: `${name} must be a list of strings` }), {
          error: `${name} must be a list of strings`,
        })
        .check(z.maxLength(1_000, { error: `${name} must have at most 1000 items` })),
    ),
    z.transform((items): readonly string[] | null => {
      const kept = (items ?? []).map(clean).filter((item) => item !== '');
      return kept.length === 0 ? null : kept;
    }),
  );

const modeError = "tool_constraints.mode must be 'auto' or 'custom'";

const toolConstraints = z.looseObject(
  {
    mode: z.pipe(
      z.pipe(
        z.optional(z.nullable(z.string({ error: modeError }))),
        z.transform((mode) => (mode ?? '').trim().toLowerCase() || 'auto'),
      ),
      z.enum(['auto', 'custom'], { error: modeError }),
    ),
    providers: names('tool_constraints.providers', (item) => item.trim().toLowerCase()),
    tools: names('tool_constraints.tools', (item) => item.trim()),
  },
  { error: 'tool_constraints must be an object' },
);

const anyObject = (name: string) =>
  z.prefault(z.record(z.string(), z.unknown(), { error: `${name} must be an object` }), {});

export const orchestrateBody = z.looseObject({
  task: z
    .string({
      error: ({ input }) => (input === undefined ? "Missing required field 'task'" : 'task must be a string'),
    })
    .check(z.refine((task) => task.trim() !== '', { error: 'task must not be empty' })),
  worker: z.prefault(worker, {}),
  grounding: anyObject('grounding'),
  controller: anyObject('controller'),
  platform: maybe(text('platform', labelLimit)),
  enable_code_execution: maybe(flag('enable_code_execution')),
  tool_constraints: z.optional(toolConstraints),
  /** The same, where `tool_constraints` is missing or empty. */
  toolset: z.optional(toolConstraints),
  /** Ours: the session that it belongs to; that of the directory when missing. */
  session_id: maybe(text('session_id', labelLimit)),
  /** Ours: an absolute path; that of the session when missing. */
  cwd: maybe(text('cwd', 4_096)),
  /** Ours: of the whole run, in milliseconds. */
  timeout_ms: maybe(count('timeout_ms')),
  /** Ours: the run is aborted when this connection closes before its end. */
  cancel_on_disconnect: maybe(flag('cancel_on_disconnect')),
  /** Ours: at either the run ends. */
  budget: z.prefault(budget, {}),
  /** Ours: the client's own id of it. For 24 hours a second request with it is answered with the run of the first. */
  run_id: maybe(text('run_id', labelLimit).check(z.minLength(1, { error: 'run_id must not be empty' }))),
});
export type OrchestrateBody = z.infer<typeof orchestrateBody>;

export type ParsedBody =
  | { readonly kind: 'request'; readonly request: OrchestrateBody }
  /** A sentence for the caller: `detail` of the answer. */
  | { readonly kind: 'wrong'; readonly detail: string };

/** @param json an object */
export function parseOrchestrateBody(json: Readonly<Record<string, unknown>>): ParsedBody {
  const given = withoutFalsy(json, [
    'worker',
    'grounding',
    'controller',
    'budget',
    'tool_constraints',
    'toolset',
  ]);
  for (const name of ['tool_constraints', 'toolset']) if (isEmptyObject(given[name])) delete given[name];
  if (isObject(given['worker'])) given['worker'] = withoutFalsy(given['worker'], ['engine_params']);
  const result = orchestrateBody.safeParse(given);
  if (result.success) return { kind: 'request', request: result.data };
  const [issue] = result.error.issues;
  return { kind: 'wrong', detail: issue?.message ?? 'The request is wrong' };
}

/** The frames that the server adds to what a run reports (contract 004, section 2). */
export const keepAliveEvent = 'server.keepalive';
export const keepAliveStoppedEvent = 'server.keepalive.stopped';

/** Letters, digits, `-`, `_` and `.`, as the contract cleans the names of events. */
export function cleanEventName(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9\-_.]/g, '_').replaceAll(/^[._]+|[._]+$/g, '') || 'event';
}

/** The name of the event after which nothing more of a run comes: `error` follows `response.failed`. */
export function isTerminalEvent(name: string): boolean {
  return name === 'response.completed' || name === 'response.failed';
}

/** Of the contract: where an object is expected, whatever is falsy is as good as nothing. */
function withoutFalsy(
  json: Readonly<Record<string, unknown>>,
  names: readonly string[],
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(json).filter(([name, value]) => !names.includes(name) || !isFalsy(value)),
  );
}

function isFalsy(value: unknown): boolean {
  return value === undefined || value === null || value === '' || value === 0 || value === false;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isEmptyObject(value: unknown): boolean {
  return isObject(value) && Object.keys(value).length === 0;
}
