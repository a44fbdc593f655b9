import { OrchestratorError } from '../../base/errors.ts';
import type { CoreContext } from '../context.ts';
import { isModelName, type ModelProvider, priceOf, vscodeProviderId } from '../models/modelProvider.ts';
import type { Models } from '../ports/models.ts';
import type { StartWorkerOptions } from '../ports/processHost.ts';
import type { Session } from '../sessions/session.ts';
import { invalidRequest } from '../text.ts';
import type { ToolServer } from '../tools/toolServer.ts';
import type { CodePlace } from './runEvents.ts';
import {
  defaultMaxOutputTokens,
  defaultMaxSteps,
  modelEngine,
  modelKeysVariable,
  type ModelRunSpec,
  modelWorkerKind,
  toolSecretsVariable,
} from './modelRunSpec.ts';
import type { ModelRequest, Run, RunHints, RunRequest } from './run.ts';

export function isModelRun({ request }: Pick<Run, 'request'>): boolean {
  return request.engine === modelEngine;
}

/** Whether it is done with VS Code's own models, which only the window can ask. */
export function isWindowModelRun(run: Pick<Run, 'request'>): boolean {
  return isModelRun(run) && run.request.model?.provider === vscodeProviderId;
}

/**
 * The request with its provider and model filled in, so that a retry is the same. Errors: `invalid_request`,
 * `model_not_found`, `model_key_missing`, `permission_denied` where code is to be run and may not be.
 */
export async function resolveModelRequest(
  request: RunRequest,
  session: Session | undefined,
  context: Pick<CoreContext, 'models' | 'windowModels' | 'limits'>,
): Promise<RunRequest> {
  const { model = {} } = request;
  if (model.codeExecution === true) codePlace(session, context);
  const models = modelsOf(context);
  const providers = await models.providers();
  const checked = { ...request, engine: modelEngine, env: withoutKeys(request.env, providers) };
  if (model.provider === vscodeProviderId) {
    if (context.windowModels !== undefined) return { ...checked, model };
    throw new OrchestratorError(
      'NOT_FOUND',
      'model_not_found',
      "VS Code's own models can only be asked in a window of it. Name another provider.",
    );
  }
  const { provider, name } = await chosenModel(models, model);
  await keyFor(models, provider);
  return { ...checked, model: { ...model, provider: provider.id, model: name } };
}

/** The keys are for us: nothing that a run starts needs them, and a request is written down. */
function withoutKeys<T>(
  env: Readonly<Record<string, T>> | undefined,
  providers: readonly ModelProvider[],
): Record<string, T> | undefined {
  if (env === undefined) return undefined;
  const names = new Set(providers.map(({ keyEnv }) => keyEnv));
  return Object.fromEntries(Object.entries(env).filter(([name]) => !names.has(name)));
}

/** What the worker of a model's run is started with; keys and secrets are in its environment only. */
export async function modelWorker(
  run: Run,
  session: Session | undefined,
  context: Pick<CoreContext, 'models' | 'tools' | 'limits' | 'environment'>,
): Promise<Omit<StartWorkerOptions, 'id'>> {
  const { environment, tools } = context;
  const models = modelsOf(context);
  const { provider, name } = await chosenModel(models, run.request.model ?? {});
  const key = await keyFor(models, provider);
  const { servers, secrets } = await tools.forRun();
  const spec = modelRunSpec(run, { provider, name, session, servers, context });
  const inherited = environment.childEnvironment(run.request.env, { isWhole: run.request.isEnvWhole });
  const env = {
    ...withoutKeys(inherited, await models.providers()),
    [modelKeysVariable]: JSON.stringify(key === undefined ? {} : { [provider.id]: key }),
    [toolSecretsVariable]: JSON.stringify(secrets),
  };
  return { kind: modelWorkerKind, spec, env };
}

export interface ModelRunParts {
  readonly provider: ModelProvider;
  readonly name: string;
  readonly session: Session | undefined;
  readonly servers: readonly ToolServer[];
  readonly context: Pick<CoreContext, 'limits' | 'environment'>;
}

export function modelRunSpec(
  run: Run,
  { provider, name, session, servers, context }: ModelRunParts,
): ModelRunSpec {
  const { request } = run;
  const { model = {}, hints, tools } = request;
  const { environment } = context;
  const isPriced = priceOf(provider, name) !== undefined;
  return {
    runId: run.id,
    task: request.task,
    provider,
    model: name,
    reasoningEffort: model.reasoningEffort ?? null,
    maxOutputTokens: model.maxOutputTokens ?? defaultMaxOutputTokens,
    maxSteps: model.maxSteps ?? defaultMaxSteps,
    maxTokens: model.maxTokens ?? null,
    maxCostUsd: model.maxCostUsd ?? null,
    reflects: model.reflects ?? false,
    code: model.codeExecution === true ? codePlace(session, context) : null,
    tools: tools ?? { mode: 'auto', providers: null, tools: null },
    servers,
    toolsAllowed: context.limits.toolsAllowed,
    cwd: request.cwd ?? environment.defaultDirectory(),
    platformHint: hints?.platform ?? null,
    platform: environment.platform,
    timeoutMs: request.timeoutMs ?? null,
    ignored: [
      ...ignoredFields(hints),
      ...(model.maxCostUsd !== undefined && !isPriced ? ['worker.max_cost_usd'] : []),
    ],
  };
}

/** A model looks at no screen and moves no mouse. */
function ignoredFields({ worker = {}, grounding = {}, controller = {} }: RunHints = {}): string[] {
  const fields = (name: string, hint: object): string[] => Object.keys(hint).map((key) => `${name}.${key}`);
  return [
    ...fields('worker', worker),
    ...fields('grounding', grounding),
    ...fields('controller', controller),
  ];
}

/** Error: `invalid_request` where this orchestrator knows of no models. */
function modelsOf({ models }: Pick<CoreContext, 'models'>): Models {
  if (models !== undefined) return models;
  throw new OrchestratorError(
    'FAILED_PRECONDITION',
    'invalid_request',
    'This orchestrator knows of no models.',
  );
}

/** The provider and the model that a request names, or those that are the default. Errors: see `resolveModelRequest`. */
export async function chosenModel(
  models: Models,
  request: Pick<ModelRequest, 'provider' | 'model'>,
): Promise<{ readonly provider: ModelProvider; readonly name: string }> {
  const providers = await models.providers();
  const wanted = request.provider === undefined ? await wantedOf(models, request, providers) : request;
  const provider = providers.find(({ id }) => id === wanted.provider);
  if (provider === undefined) {
    const known = providers.map(({ id }) => id).join(', ');
    throw new OrchestratorError(
      'NOT_FOUND',
      'model_not_found',
      `There is no provider of models "${wanted.provider ?? ''}". There are ${known}; more are set up in the setting orchestrator.models.providers, or in models.json of the state directory.`,
    );
  }
  const name = wanted.model ?? provider.defaultModel;
  if (name === null) {
    throw invalidRequest(
      `Say which model of ${provider.title} is to do it: it has no default. "orchestrator models" lists them.`,
    );
  }
  if (!isModelName(name)) throw invalidRequest('The model must be a name of at most 200 characters.');
  return { provider, name };
}

/** Without a provider: that of the default, or the first one whose key is there. */
async function wantedOf(
  models: Models,
  { model }: Pick<ModelRequest, 'model'>,
  providers: readonly ModelProvider[],
): Promise<Pick<ModelRequest, 'provider' | 'model'>> {
  const [id, ...rest] = (await models.defaultModel())?.split('/') ?? [];
  if (id !== undefined)
    return { provider: id, model: model ?? (rest.length === 0 ? undefined : rest.join('/')) };
  for (const provider of providers) {
    if (provider.keyEnv !== null && (await models.keyOf(provider)) !== undefined)
      return { provider: provider.id, model };
  }
  const names = providers.flatMap(({ keyEnv }) => keyEnv ?? []).join(', ');
  throw new OrchestratorError(
    'FAILED_PRECONDITION',
    'model_key_missing',
    `There is no key to any model. Set one with the command "Set Model Key…", set one of the variables ${names}, or name a provider that needs none.`,
  );
}

/** Error: `model_key_missing`, before anything is started. */
export async function keyFor(models: Models, provider: ModelProvider): Promise<string | undefined> {
  const key = await models.keyOf(provider);
  if (key !== undefined || provider.keyEnv === null) return key;
  throw new OrchestratorError(
    'FAILED_PRECONDITION',
    'model_key_missing',
    `There is no key to ${provider.title}. Set it with the command "Set Model Key…", or set the variable ${provider.keyEnv} where the orchestrator is started.`,
    { details: { provider: provider.id, variable: provider.keyEnv } },
  );
}

/** Errors: `permission_denied`. */
function codePlace(session: Session | undefined, { limits }: Pick<CoreContext, 'limits'>): CodePlace {
  if (session?.image !== undefined && session.image !== '') return 'container';
  if (limits.allowsCodeInTerminal) return 'terminal';
  throw new OrchestratorError(
    'PERMISSION_DENIED',
    'permission_denied',
    'There is no place where the model may run code: the session has no image for a container, and its owner does not allow code in a terminal (orchestrator.models.allowCodeInTerminal). Change one of them, or leave code execution out.',
  );
}
