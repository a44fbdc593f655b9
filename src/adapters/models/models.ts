import { readFile } from 'node:fs/promises';
import { systemClock } from '../../base/clock.ts';
import { OrchestratorError } from '../../base/errors.ts';
import { type ModelProvider, modelProviders } from '../../core/models/modelProvider.ts';
import type { Models } from '../../core/ports/models.ts';
import { invalidRequest } from '../../core/text.ts';
import { listModels } from './listModels.ts';
import { openSdkModel } from './sdkModel.ts';

/** What a person has set up, as it stands now. */
export interface ModelSettings {
  readonly providers: readonly unknown[];
  /** A provider, or `provider/model`. */
  readonly default?: string | undefined;
}

export interface ModelsOptions {
  readonly settings: () => Promise<ModelSettings> | ModelSettings;
  /** Keys that are kept elsewhere than in the environment; they go first. */
  readonly storedKey?: ((provider: ModelProvider) => Promise<string | undefined>) | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const maxFileBytes = 1024 * 1024;

/** Models over HTTP, with keys from a store or from the environment. Nothing is loaded before one is asked. */
export function createModels({ settings, storedKey, environment }: ModelsOptions): Models {
  return {
    async providers() {
      return modelProviders((await settings()).providers);
    },
    async defaultModel() {
      const chosen = (await settings()).default?.trim();
      return chosen === '' ? undefined : chosen;
    },
    async keyOf(provider) {
      const { keyEnv } = provider;
      const stored = (await storedKey?.(provider))?.trim();
      if (stored !== undefined && stored !== '') return stored;
      const inherited = keyEnv === null ? undefined : environment[keyEnv]?.trim();
      return inherited === '' ? undefined : inherited;
    },
    open: (provider: ModelProvider, model, key) => openSdkModel(provider, model, key, systemClock),
    list: (provider, key, signal) => listModels(provider, key, signal),
  };
}

/**
 * Reads `{ "providers": [ … ], "default": "provider/model" }`. A missing file says nothing.
 * Error: `invalid_request`, which names the file.
 */
export async function readModelsFile(path: string): Promise<ModelSettings> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { providers: [] };
    throw invalidRequest(`${path} cannot be read: ${OrchestratorError.from(error).message}`);
  }
  if (text.length > maxFileBytes) throw invalidRequest(`${path} is over 1 MiB.`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalidRequest(`${path} is no valid JSON: ${OrchestratorError.from(error).message}`);
  }
  if (typeof value !== 'object' || value === null) throw invalidRequest(`${path} must hold a JSON object.`);
  const { providers = [], default: chosen } = value as Partial<Record<string, unknown>>;
  if (!Array.isArray(providers)) throw invalidRequest(`"providers" in ${path} must be a list.`);
  if (chosen !== undefined && typeof chosen !== 'string') {
    throw invalidRequest(`"default" in ${path} must be the name of a provider, or provider/model.`);
  }
  return { providers, default: chosen };
}
