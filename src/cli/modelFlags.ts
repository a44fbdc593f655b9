import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { RunRequest } from '../core/runs/run.ts';
import type { AddCommand, CommonOptions } from './commandOptions.ts';
import type { OpenCoreOptions } from './composition.ts';

/** What `run` takes for the engine `model`. */
export interface ModelFlags {
  readonly model?: string;
  readonly maxSteps?: number;
  readonly maxTokens?: number;
  readonly maxCost?: number;
  readonly tools?: readonly string[];
  readonly reflect?: boolean;
  readonly code?: boolean;
}

/** What every command takes that may have models asked by a core of its own. */
export interface ModelSetupFlags {
  readonly models?: string;
  readonly allowCodeInTerminal?: boolean;
}

export function addModelOptions(command: Command): void {
  command
    .option('--model <provider/name>', 'which model does it (orchestrator models lists them)')
    .addOption(
      new Option('--max-steps <n>', 'answers of the model at most (default: 50)').argParser(positive),
    )
    .addOption(new Option('--max-tokens <n>', 'tokens of the whole run at most').argParser(positive))
    .addOption(
      new Option('--max-cost <usd>', 'US dollars at most, where the price is known').argParser(amount),
    )
    .addOption(new Option('--tools <names>', 'only these tools, with commas between').argParser(names))
    .option('--reflect', 'have the model look at what it has done before each further step')
    .option('--code', 'let the model run code, in a container of the session or where that is allowed');
  addModelSetupOptions(command);
}

export function addModelSetupOptions(command: Command): void {
  command
    .option('--models <file>', 'providers of models (default: models.json of the state directory)')
    .option('--allow-code-in-terminal', 'models may run code on this machine');
}

export function addModelsCommand(command: AddCommand): void {
  command<CommonOptions & ModelSetupFlags>(
    'models',
    'list the providers of models, whether their keys are there, and their models',
    async (context, flags) => {
      const { listModelProviders } = await import('./commands/models.ts');
      return listModelProviders(context, coreOptionsOf(flags).modelsFile);
    },
  ).option('--models <file>', 'providers of models (default: models.json of the state directory)');
}

/** What of a run's request these flags say. */
export function modelRequestOf(flags: ModelFlags): Pick<RunRequest, 'model' | 'tools'> {
  const { model: named, maxSteps, maxTokens, maxCost, tools, reflect, code } = flags;
  const [provider, ...rest] = named?.split('/') ?? [];
  return {
    model: {
      provider,
      model: rest.length === 0 ? undefined : rest.join('/'),
      maxSteps,
      maxTokens,
      maxCostUsd: maxCost,
      reflects: reflect,
      codeExecution: code,
    },
    tools: tools === undefined ? undefined : { mode: 'custom', providers: null, tools },
  };
}

export function coreOptionsOf(flags: ModelSetupFlags): Pick<OpenCoreOptions, 'modelsFile' | 'limits'> {
  return {
    modelsFile: flags.models === undefined ? undefined : resolve(flags.models),
    limits: flags.allowCodeInTerminal === true ? { allowsCodeInTerminal: true } : undefined,
  };
}

function positive(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || !Number.isSafeInteger(value)) {
    throw new InvalidArgumentError('It is a whole number from 1.');
  }
  return value;
}

function amount(text: string): number {
  const value = Number(text.replace(/^\$/, ''));
  if (!Number.isFinite(value) || value <= 0) throw new InvalidArgumentError('It is an amount such as 0.50.');
  return value;
}

function names(text: string): readonly string[] {
  const found = text.split(',').flatMap((name) => (name.trim() === '' ? [] : [name.trim()]));
  if (found.length === 0) throw new InvalidArgumentError('It is a list such as read_file,list_directory.');
  return found;
}
