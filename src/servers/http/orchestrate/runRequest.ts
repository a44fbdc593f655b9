import { createHash } from 'node:crypto';
import { codingAgents } from '../../../core/runs/codingAgents.ts';
import { modelEngine } from '../../../core/runs/modelRunSpec.ts';
import { containerEngine } from '../../../core/runs/containerRunEvents.ts';
import type { ModelRequest, RunHints, RunRequest } from '../../../core/runs/run.ts';
import { invalidRequest } from '../../../core/text.ts';
import type { OrchestrateBody } from '../../../protocol/orchestrate.ts';
import type { Caller } from '../../access/caller.ts';

/** Engine types that are a model's provider; `model` leaves the provider to the orchestrator. */
const modelProviders = ['openai', 'anthropic', 'ollama', 'openai-compatible', 'vscode'] as const;

/** What can be named as `worker.engine_params.engine_type`. */
export const engineTypes: readonly string[] = [
  'shell',
  containerEngine,
  'agent',
  ...Object.keys(codingAgents),
  'model',
  ...modelProviders,
];

const labelLimit = 200;

/** Who sends a request, besides what stands in its body. */
export interface Sender {
  readonly caller: Caller;
  /** `X-User-Id`: a label of the run, never an identity. */
  readonly userId: string | undefined;
  /** `Idempotency-Key`; goes before `run_id` of the body. */
  readonly requestKey: string | undefined;
}

/** The run that a body asks for. Error: `invalid_request`. */
export function runRequestOf(body: OrchestrateBody, { caller, userId, requestKey }: Sender): RunRequest {
  if (userId !== undefined && userId.length > labelLimit) {
    throw invalidRequest(`X-User-Id is longer than ${labelLimit} characters`);
  }
  const { task, session_id: sessionId, cwd, timeout_ms: timeoutMs, run_id: clientRunId } = body;
  const params = body.worker.engine_params;
  const { engine, provider } = engineOf(body);
  const isCodingAgent = engine !== undefined && Object.hasOwn(codingAgents, engine);
  const metadata = withoutUndefined({
    client_run_id: clientRunId,
    image: engine === containerEngine ? params.image : undefined,
    model: isCodingAgent ? params.model : undefined,
    permissionMode: isCodingAgent ? params.permission_mode : undefined,
  });
  return withoutUndefined({
    task,
    engine,
    sessionId,
    cwd,
    timeoutMs,
    requestedBy: userId === undefined || userId === '' ? caller.name : userId,
    idempotencyKey: keyOf(caller, requestKey ?? clientRunId),
    metadata: isEmpty(metadata) ? undefined : metadata,
    model: modelOf(body, engine === modelEngine ? (provider ?? params.provider) : undefined, isCodingAgent),
    tools: body.tool_constraints ?? body.toolset,
    hints: hintsOf(body, engine),
  });
}

/** Where nothing says which one, a model that is named asks for a model; a session has an engine of its own. */
function engineOf({ worker, session_id: sessionId }: OrchestrateBody): {
  readonly engine: string | undefined;
  readonly provider?: string | undefined;
} {
  const { engine_type: given, agent, model, provider } = worker.engine_params;
  const type = given?.trim();
  if (type === undefined || type === '') {
    if (agent !== undefined) return { engine: `agent:${agent}` };
    if (model !== undefined || provider !== undefined) return { engine: 'model' };
    return { engine: sessionId === undefined ? 'shell' : undefined };
  }
  if (type === 'agent') {
    if (agent !== undefined && agent.trim() !== '') return { engine: `agent:${agent.trim()}` };
    throw invalidRequest("worker.engine_params.agent must name the agent where engine_type is 'agent'");
  }
  if (type.startsWith('agent:')) return { engine: type };
  if (modelProviders.some((provider) => provider === type)) return { engine: 'model', provider: type };
  if (engineTypes.includes(type)) return { engine: type };
  throw invalidRequest(
    `worker.engine_params.engine_type must be one of ${engineTypes.join(', ')}, or 'agent:' and the agent's name`,
  );
}

function modelOf(
  { worker, budget, enable_code_execution: codeExecution }: OrchestrateBody,
  provider: string | undefined,
  isCodingAgent: boolean,
): ModelRequest | undefined {
  const params = worker.engine_params;
  const request: ModelRequest = withoutUndefined({
    provider,
    // A coding agent's model is in its metadata.
    model: isCodingAgent ? undefined : params.model,
    reasoningEffort: params.reasoning_effort,
    maxOutputTokens: params.max_output_tokens,
    maxSteps: worker.max_steps,
    reflects: worker.enable_reflection,
    maxTokens: budget.max_tokens,
    maxCostUsd: budget.max_cost_usd,
    codeExecution: codeExecution === true ? true : undefined,
  });
  return isEmpty(request) ? undefined : request;
}

const knownParams: ReadonlySet<string> = new Set([
  'engine_type',
  'model',
  'provider',
  'reasoning_effort',
  'max_output_tokens',
  'agent',
  'image',
  'permission_mode',
]);
const knownOfWorker: ReadonlySet<string> = new Set(['engine_params', 'max_steps', 'enable_reflection']);

/** What no field of a run's request is for: it is handed through, and an engine that does not know it says so. */
function hintsOf(
  { worker, grounding, controller, platform }: OrchestrateBody,
  engine: string | undefined,
): RunHints | undefined {
  const params = rest(worker.engine_params, knownParams);
  // Whoever names an image, a permission or a provider for an engine that has none shall hear of it.
  const { image, permission_mode, provider } = worker.engine_params;
  const misplaced = withoutUndefined({
    provider: engine === modelEngine ? undefined : provider,
    image: engine === containerEngine ? undefined : image,
    permission_mode:
      engine !== undefined && Object.hasOwn(codingAgents, engine) ? undefined : permission_mode,
  });
  const engineParams = { ...params, ...misplaced };
  const others = {
    ...rest(worker, knownOfWorker),
    ...(isEmpty(engineParams) ? {} : { engine_params: engineParams }),
  };
  const hints: RunHints = withoutUndefined({
    worker: isEmpty(others) ? undefined : others,
    grounding: isEmpty(grounding) ? undefined : grounding,
    controller: isEmpty(controller) ? undefined : controller,
    platform,
  });
  return isEmpty(hints) ? undefined : hints;
}

/** Nobody's id is another's: the key is the caller's own. */
function keyOf({ name }: Caller, id: string | undefined): string | undefined {
  if (id === undefined || id === '') return undefined;
  if (id.length > labelLimit) {
    throw invalidRequest(`Idempotency-Key is longer than ${labelLimit} characters`);
  }
  return createHash('sha256')
    .update(JSON.stringify(['orchestrate', name, id]))
    .digest('hex');
}

function rest(
  from: Readonly<Record<string, unknown>>,
  known: ReadonlySet<string>,
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(from).filter(([key, value]) => !known.has(key) && value !== undefined),
  );
}

function withoutUndefined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as T;
}

function isEmpty(value: object): boolean {
  return Object.keys(value).length === 0;
}
