import type { Disposable } from '../../base/disposable.ts';
import { Emitter, type Event } from '../../base/emitter.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { LiveOrchestrator } from '../../core/liveOrchestrator.ts';
import { codingAgents } from '../../core/runs/codingAgents.ts';
import type { ToolProvider } from '../../core/tools/tool.ts';
import {
  type BackendOption,
  type EngineOption,
  localBackend,
  type ModelOption,
  type RunOptions,
} from '../../protocol/runOptions.ts';

/** What the task box can offer. Its parts come from whoever has them: agents, models, tools, backends. */
export interface RunOptionsSource extends Disposable {
  /** What is offered has changed: ask again. */
  readonly onDidChange: Event<void>;
  engines(): readonly EngineOption[];
  models(): readonly ModelOption[];
  tools(): readonly ToolProvider[];
  backends(): readonly BackendOption[];
  /** What is still being asked for, as a sentence; undefined once all of it is there. */
  loading(): string | undefined;
  /** Signs in to a provider of tools, with the person's help. Error: `invalid_request` where there is nothing to sign in to. */
  connect(provider: string): Promise<void>;
}

/** What engines, models and tools there are besides those that every orchestrator has. */
export interface RunOptionsParts {
  /** Offers the engine `model`. */
  readonly models?: (() => readonly ModelOption[]) | undefined;
  readonly tools?: (() => readonly ToolProvider[]) | undefined;
  /** Besides this window's own orchestrator. */
  readonly backends?: (() => readonly BackendOption[]) | undefined;
  readonly loading?: (() => string | undefined) | undefined;
  readonly connect?: ((provider: string) => Promise<void>) | undefined;
  readonly onDidChange?: Event<void> | undefined;
}

const shell: EngineOption = {
  id: 'shell',
  title: 'Shell',
  description: 'Commands, one a line: each becomes a step',
  takesSentence: false,
  uses: ['limits'],
};
const container: EngineOption = {
  id: 'container',
  title: 'Container',
  description: 'The commands, in a container of the image of the session',
  takesSentence: false,
  uses: ['limits'],
};
const model: EngineOption = {
  id: 'model',
  title: 'Model',
  description: 'A language model with tools, step by step',
  takesSentence: true,
  uses: ['model', 'limits', 'tools', 'code'],
};
const local: BackendOption = { id: localBackend, title: 'This window', description: 'Its own orchestrator' };

/**
 * What the orchestrator of this window offers by itself (its engines and the agents that are registered with it), and
 * the parts that are given.
 */
export function createRunOptions(
  orchestrator: () => Pick<LiveOrchestrator, 'agents' | 'containers'> | undefined,
  parts: RunOptionsParts = {},
): RunOptionsSource {
  const changed = new Emitter<void>();
  const subscription = parts.onDidChange?.(() => changed.fire());
  return {
    onDidChange: changed.event,
    engines() {
      const { agents, containers } = orchestrator() ?? {};
      return [
        shell,
        ...(containers === undefined ? [] : [container]),
        ...(parts.models === undefined ? [] : [withProblem(model, parts.models())]),
        ...Object.entries(codingAgents).map(([id, { title, program }]) => codingAgent(id, title, program)),
        ...agentNames(agents).map((name) => registeredAgent(name)),
      ];
    },
    models: () => parts.models?.() ?? [],
    tools: () => parts.tools?.() ?? [],
    backends: () => [local, ...(parts.backends?.() ?? [])],
    loading: () => parts.loading?.(),
    async connect(provider) {
      if (parts.connect !== undefined) {
        await parts.connect(provider);
        return;
      }
      throw new OrchestratorError(
        'FAILED_PRECONDITION',
        'invalid_request',
        `There is no provider of tools named "${provider}" to sign in to.`,
      );
    },
    dispose() {
      subscription?.dispose();
      changed.dispose();
    },
  };
}

/** What a source offers now, as the panel takes it. */
export function readRunOptions(source: RunOptionsSource): RunOptions {
  const isLoading = source.loading();
  return {
    engines: [...source.engines()],
    models: [...source.models()],
    toolProviders: source
      .tools()
      .map(({ provider, displayName, isAuthorized, isConfigured, tools, problem }) => ({
        provider,
        displayName,
        isAuthorized,
        isConfigured,
        tools: tools.map(({ name, description }) => ({ name, description: description.slice(0, 500) })),
        ...(problem === undefined ? {} : { problem }),
      })),
    backends: [...source.backends()],
    ...(isLoading === undefined ? {} : { isLoading }),
  };
}

function withProblem(engine: EngineOption, models: readonly ModelOption[]): EngineOption {
  return models.length > 0 ? engine : { ...engine, problem: 'No model is set up yet.' };
}

/** Those that can take a task now, each name once: several agents may share one. */
function agentNames(agents: LiveOrchestrator['agents']): string[] {
  return [...new Set((agents?.list({ state: 'online' }) ?? []).map(({ name }) => name))].toSorted();
}

function codingAgent(id: string, title: string, program: string): EngineOption {
  return {
    id,
    title,
    description: `The coding agent "${program}" of this machine`,
    takesSentence: true,
    uses: ['limits'],
  };
}

function registeredAgent(name: string): EngineOption {
  return {
    id: `agent:${name}`,
    title: name,
    description: 'A registered agent',
    takesSentence: true,
    uses: ['limits'],
  };
}
