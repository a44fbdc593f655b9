import { createModels, readModelsFile } from '../../adapters/models/models.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { ModelProvider } from '../../core/models/modelProvider.ts';
import type { Models } from '../../core/ports/models.ts';
import type { CommandContext } from '../commandContext.ts';
import { exitCode } from '../exitCodes.ts';
import { formatTable } from '../output/table.ts';
import { statePaths } from '../stateDir.ts';

const listLimitMs = 10_000;

interface ProviderRow {
  readonly provider: string;
  readonly title: string;
  readonly baseUrl: string;
  /** `none` where it needs none. */
  readonly key: 'set' | 'missing' | 'none';
  readonly keyEnv: string | null;
  readonly defaultModel: string | null;
  readonly models: readonly string[];
  /** Why there is no list of them. */
  readonly problem: string | null;
}

/** Lists the providers of models, whether their keys are there, and what models they have. */
export async function listModelProviders(
  { stateDir, isJson, out }: CommandContext,
  modelsFile: string | undefined,
): Promise<number> {
  const models = createModels({
    settings: () => readModelsFile(modelsFile ?? statePaths(stateDir).models),
    environment: process.env,
  });
  const providers = await models.providers();
  const rows = await Promise.all(providers.map((provider) => rowOf(models, provider)));
  if (isJson) {
    for (const row of rows) await out.writeJson(row);
    return exitCode.ok;
  }
  const table = formatTable(
    ['PROVIDER', 'KEY', 'DEFAULT', 'ADDRESS', 'MODELS'],
    rows.map(({ provider, key, keyEnv, defaultModel, baseUrl, models: names, problem }) => [
      provider,
      key === 'missing' ? `missing ($${keyEnv ?? ''})` : key,
      defaultModel ?? '-',
      baseUrl,
      problem ?? shortList(names),
    ]),
  );
  await out.write(table);
  return exitCode.ok;
}

async function rowOf(models: Models, provider: ModelProvider): Promise<ProviderRow> {
  const { id, title, baseUrl, keyEnv, defaultModel } = provider;
  const found = await models.keyOf(provider);
  const key = found !== undefined ? 'set' : keyEnv === null ? 'none' : 'missing';
  const row = { provider: id, title, baseUrl, key, keyEnv, defaultModel } as const;
  if (key === 'missing') return { ...row, models: [], problem: 'not asked: its key is missing' };
  try {
    return {
      ...row,
      models: await models.list(provider, found, AbortSignal.timeout(listLimitMs)),
      problem: null,
    };
  } catch (error) {
    return { ...row, models: [], problem: OrchestratorError.from(error).message };
  }
}

function shortList(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(', ');
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown;
}
