import type { Clock } from '../../base/clock.ts';
import { openSdkModel } from '../../adapters/models/sdkModel.ts';
import type { CodeRunner } from '../../core/models/loop/codeTool.ts';
import { runModelLoop } from '../../core/models/loop/modelLoop.ts';
import { modelKeysVariable, type ModelRunSpec, toolSecretsVariable } from '../../core/runs/modelRunSpec.ts';
import type { EmitRunEvent } from '../../core/runs/runTeller.ts';
import type { ToolSecrets } from '../../core/tools/toolServer.ts';
import type { ToolSet } from '../../core/tools/toolSet.ts';
import { parseModelKeys, parseToolSecrets } from './parseSpec.ts';

/** What a worker must not hand on: taken out of its environment before anything is started. */
export interface ModelSecrets {
  readonly keys: Readonly<Record<string, string>>;
  readonly tools: ToolSecrets;
}

export function takeModelSecrets(environment: NodeJS.ProcessEnv): ModelSecrets {
  const take = (name: string): string | undefined => {
    const value = environment[name];
    Reflect.deleteProperty(environment, name);
    return value;
  };
  return {
    keys: parseModelKeys(take(modelKeysVariable)),
    tools: parseToolSecrets(take(toolSecretsVariable)),
  };
}

export interface ModelRunnerDependencies {
  readonly emit: EmitRunEvent;
  readonly clock: Clock;
  readonly secrets: ModelSecrets;
  openTools(spec: ModelRunSpec, secrets: ToolSecrets, signal: AbortSignal): Promise<ToolSet>;
  /** Where the run's code is executed; asked for where the spec allows it. */
  openCode(spec: ModelRunSpec): CodeRunner | undefined;
}

/** Carries out one run with a model over the network. */
export class ModelRunner {
  private readonly spec: ModelRunSpec;
  private readonly dependencies: ModelRunnerDependencies;
  private readonly controller = new AbortController();

  constructor(spec: ModelRunSpec, dependencies: ModelRunnerDependencies) {
    this.spec = spec;
    this.dependencies = dependencies;
  }

  /** Ends the run as cancelled. May be called at any time, also before `run`. */
  abort(reason: string): void {
    this.controller.abort(reason);
  }

  /** Resolves once everything was reported. */
  run(): Promise<void> {
    const { spec, dependencies } = this;
    const { provider, model } = spec;
    const { emit, clock, secrets } = dependencies;
    return runModelLoop(spec, {
      model: openSdkModel(provider, model, secrets.keys[provider.id], clock),
      openTools: (signal) => dependencies.openTools(spec, secrets.tools, signal),
      code: spec.code === null ? undefined : dependencies.openCode(spec),
      emit,
      clock,
      random: Math.random,
      signal: this.controller.signal,
    });
  }
}
