import * as vscode from 'vscode';
import { Emitter } from '../../base/emitter.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { vscodeProviderId } from '../../core/models/modelProvider.ts';
import type { Orchestrator } from '../../core/orchestrator.ts';
import type { Models } from '../../core/ports/models.ts';
import type { ModelOption } from '../../protocol/runOptions.ts';
import type { RunBackends } from '../backends/runBackends.ts';
import type { DaemonControl } from '../daemon/daemonControl.ts';
import { createRunOptions, type RunOptionsSource } from './runOptions.ts';

export interface WindowRunOptions {
  /** Undefined while none is served here. */
  readonly orchestrator: () => Orchestrator | undefined;
  readonly models: Models;
  readonly backends: RunBackends;
  readonly daemon: DaemonControl;
  readonly logger: Logger;
}

/** A provider that does not say what it has is offered with its default model. */
const listLimitMs = 5_000;
const listed = 200;

/**
 * What the task box of this window offers: models and tools are asked for once somebody looks, and again where the tools
 * have changed or a minute has passed.
 */
export function createWindowRunOptions(options: WindowRunOptions): RunOptionsSource {
  const { orchestrator, models, backends, daemon, logger } = options;
  const changed = new Emitter<void>();
  let offered: readonly ModelOption[] = [];
  let asked: { readonly core: Orchestrator; readonly at: number } | undefined;
  let isAsking = false;
  const ask = async (core: Orchestrator): Promise<void> => {
    isAsking = true;
    asked = { core, at: Date.now() };
    try {
      const [found] = await Promise.all([modelOptions(models, logger), core.tools.load()]);
      offered = found;
    } catch (error) {
      logger.warn('Models and tools could not be listed', error);
    } finally {
      isAsking = false;
      changed.fire();
    }
  };
  const backendChanges = backends.onDidChange(() => changed.fire());
  const source = createRunOptions(orchestrator, {
    models: () => offered,
    tools: () => orchestrator()?.tools.providers() ?? [],
    backends: () => backends.profiles.map(({ name, url }) => ({ id: name, title: name, description: url })),
    loading() {
      const core = orchestrator();
      if (core === undefined) return undefined;
      const isOld = asked?.core !== core || Date.now() - asked.at > 60_000;
      if (isOld && !isAsking) void ask(core);
      return isAsking ? 'Models and tools are being listed …' : undefined;
    },
    connect: (provider) => signIn(provider, orchestrator(), daemon),
    onDidChange: changed.event,
  });
  return {
    ...source,
    dispose() {
      backendChanges.dispose();
      source.dispose();
      changed.dispose();
    },
  };
}

async function modelOptions(models: Models, logger: Logger): Promise<readonly ModelOption[]> {
  const providers = await models.providers();
  const lists = await Promise.all(
    providers.map(async (provider): Promise<ModelOption[]> => {
      const { id, title, keyEnv, defaultModel } = provider;
      const key = await models.keyOf(provider);
      if (keyEnv !== null && key === undefined) return [];
      const names = await models
        .list(provider, key, AbortSignal.timeout(listLimitMs))
        .catch((error: unknown) => {
          logger.info(`${title} does not list its models: ${OrchestratorError.from(error).message}`);
          return [];
        });
      const all = new Set([...(defaultModel === null ? [] : [defaultModel]), ...names]);
      return [...all]
        .slice(0, listed)
        .map((model) => ({ provider: id, providerName: title, model, title: model }));
    }),
  );
  return [...lists.flat(), ...(await editorModels())];
}

async function editorModels(): Promise<ModelOption[]> {
  const models = await vscode.lm.selectChatModels();
  return models.map(({ id, name }) => ({
    provider: vscodeProviderId,
    providerName: 'VS Code',
    model: id,
    title: name,
  }));
}

/** In the browser, which the provider sends back to the daemon of this window. Errors: those of `startSignIn`. */
async function signIn(
  provider: string,
  core: Orchestrator | undefined,
  daemon: DaemonControl,
): Promise<void> {
  if (core === undefined) {
    throw new OrchestratorError('UNAVAILABLE', 'closed', 'Nothing is served in this window now.');
  }
  const { url: own } = await daemon.start();
  const { url } = await core.tools.startSignIn(
    provider,
    (server) => `${own}/api/mcp/auth/${encodeURIComponent(server)}/callback`,
    { success: undefined, error: undefined },
  );
  await vscode.env.openExternal(vscode.Uri.parse(url, true));
}
