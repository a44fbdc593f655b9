import * as z from 'zod/mini';
import { systemClock } from '../../base/clock.ts';
import { OrchestratorError } from '../../base/errors.ts';
import { isModelName, type ModelProvider } from '../../core/models/modelProvider.ts';
import { modelFailure } from './modelFailure.ts';
import { modelFetch } from './modelFetch.ts';

const maxModels = 5_000;
const idleTimeoutMs = 10_000;

const openAiList = z.object({ data: z.array(z.object({ id: z.string() })) });
const ollamaList = z.object({ models: z.array(z.object({ name: z.string() })) });

/** The provider's own names of its models, in its order. Errors: those of `LanguageModel.answer`. */
export async function listModels(
  provider: ModelProvider,
  key: string | undefined,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const fetch = modelFetch({
    provider: { ...provider, idleTimeoutMs: Math.min(idleTimeoutMs, provider.idleTimeoutMs) },
    hasKey: key !== undefined,
    clock: systemClock,
  });
  try {
    const response = await fetch(listUrl(provider), { headers: headersOf(provider, key), signal });
    const text = await response.text();
    if (!response.ok) {
      throw Object.assign(new Error(text.slice(0, 500)), { statusCode: response.status, responseBody: text });
    }
    return namesOf(provider, JSON.parse(text)).filter(isModelName).slice(0, maxModels);
  } catch (error) {
    signal.throwIfAborted();
    throw modelFailure(error, provider, 'the list of models', key);
  }
}

function listUrl({ kind, baseUrl }: ModelProvider): string {
  if (kind === 'ollama') return new URL('/api/tags', baseUrl).href;
  return `${baseUrl}/models${kind === 'anthropic' ? '?limit=1000' : ''}`;
}

function headersOf({ kind }: ModelProvider, key: string | undefined): Record<string, string> {
  if (kind === 'anthropic') return { 'anthropic-version': '2023-06-01', 'x-api-key': key ?? '' };
  return { authorization: `Bearer ${key ?? ''}` };
}

function namesOf({ kind, title }: ModelProvider, value: unknown): readonly string[] {
  const names =
    kind === 'ollama'
      ? ollamaList.safeParse(value).data?.models.map(({ name }) => name)
      : openAiList.safeParse(value).data?.data.map(({ id }) => id);
  if (names !== undefined) return names;
  throw new OrchestratorError(
    'UNAVAILABLE',
    'model_unavailable',
    `${title} answers with something that is no list of models.`,
  );
}
