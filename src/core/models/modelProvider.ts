import { invalidRequest } from '../text.ts';

/** Who has language models, and how they are reached. Written down as it is: a key is only ever named. */
export interface ModelProvider {
  /** Lower case letters, digits, `-`, `_`; at most 64. */
  readonly id: string;
  readonly title: string;
  /** What it speaks. `ollama` is OpenAI's interface with a list of models of its own. */
  readonly kind: 'openai' | 'anthropic' | 'ollama' | 'vscode';
  /** With the version in it: `https://api.openai.com/v1`. Empty with VS Code's own models. */
  readonly baseUrl: string;
  /** The environment variable that holds its key; null where it needs none. */
  readonly keyEnv: string | null;
  /** Null where one has to be named. */
  readonly defaultModel: string | null;
  /** By model; `*` stands for all others. */
  readonly prices: Readonly<Record<string, ModelPrice>>;
  /** It may be silent for so long within an answer, in milliseconds, before the request is given up. */
  readonly idleTimeoutMs: number;
  /** What its models take in and give out together, in tokens: history is kept below it. */
  readonly contextTokens: number;
}

/** US dollars for a million tokens. */
export interface ModelPrice {
  readonly input: number;
  readonly output: number;
}

export const vscodeProviderId = 'vscode';

const defaults = { prices: {}, idleTimeoutMs: 60_000, contextTokens: 128_000 } as const;

/** Those that need nothing but a key. */
export const builtInProviders: readonly ModelProvider[] = [
  {
    id: 'openai',
    title: 'OpenAI',
    kind: 'openai',
    baseUrl: 'https://api.openai.com/v1',
    keyEnv: 'OPENAI_API_KEY',
    // The contract's own default.
    defaultModel: 'o4-mini',
    ...defaults,
  },
  {
    id: 'anthropic',
    title: 'Anthropic',
    kind: 'anthropic',
    baseUrl: 'https://api.anthropic.com/v1',
    keyEnv: 'ANTHROPIC_API_KEY',
    defaultModel: null,
    ...defaults,
    contextTokens: 200_000,
  },
  {
    id: 'ollama',
    title: 'Ollama',
    kind: 'ollama',
    baseUrl: 'http://127.0.0.1:11434/v1',
    keyEnv: null,
    defaultModel: null,
    ...defaults,
    // It reads a long prompt without a word.
    idleTimeoutMs: 300_000,
    contextTokens: 32_000,
  },
];

/** A provider as a person writes it down: in the setting `orchestrator.models.providers`, or in models.json. */
export type ModelProviderSetting = Partial<ModelProvider> & { readonly id: string };

const idPattern = /^[a-z0-9][a-z0-9_-]{0,63}$/;
const variablePattern = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
const maxProviders = 64;

/**
 * The built-in providers with a person's own over and beside them; what is named again changes only what it says.
 * Error: `invalid_request`, which names the provider and what is wrong with it.
 */
export function modelProviders(settings: readonly unknown[]): readonly ModelProvider[] {
  if (settings.length > maxProviders) throw invalidRequest(`There are more than ${maxProviders} providers.`);
  const byId = new Map(builtInProviders.map((provider) => [provider.id, provider]));
  for (const setting of settings) {
    if (!isSetting(setting)) {
      throw invalidRequest(
        'Each provider of models must be an object with an "id" of lower case letters, digits, "-" and "_".',
      );
    }
    byId.set(setting.id, checkedProvider(setting, byId.get(setting.id)));
  }
  return [...byId.values()];
}

function isSetting(value: unknown): value is ModelProviderSetting {
  if (typeof value !== 'object' || value === null || !('id' in value)) return false;
  return typeof value.id === 'string' && idPattern.test(value.id) && value.id !== vscodeProviderId;
}

function checkedProvider(setting: ModelProviderSetting, known: ModelProvider | undefined): ModelProvider {
  const wrong = (what: string): Error => invalidRequest(`The provider of models "${setting.id}": ${what}.`);
  const { id, kind = known?.kind ?? 'openai', baseUrl = known?.baseUrl } = setting;
  if (kind !== 'openai' && kind !== 'anthropic' && kind !== 'ollama') {
    throw wrong('its "kind" must be openai, anthropic or ollama');
  }
  if (typeof baseUrl !== 'string' || !isBaseUrl(baseUrl)) {
    throw wrong(
      'its "baseUrl" must be an address that begins with https:// or http://, without a name or a key in it',
    );
  }
  const { keyEnv = known?.keyEnv ?? null, defaultModel = known?.defaultModel ?? null } = setting;
  if (keyEnv !== null && (typeof keyEnv !== 'string' || !variablePattern.test(keyEnv))) {
    throw wrong('its "keyEnv" must be the name of an environment variable, and never the key itself');
  }
  if (defaultModel !== null && !isModelName(defaultModel)) throw wrong('its "defaultModel" must be a name');
  const { prices = known?.prices ?? {} } = setting;
  if (!isPrices(prices)) {
    throw wrong('its "prices" must give "input" and "output" by model, in US dollars for a million tokens');
  }
  const number = (key: 'idleTimeoutMs' | 'contextTokens', min: number, max: number): number => {
    const value = setting[key] ?? known?.[key] ?? defaults[key];
    if (!Number.isSafeInteger(value) || value < min || value > max) {
      throw wrong(`its "${key}" must be a whole number from ${min} to ${max}`);
    }
    return value;
  };
  const { title = known?.title ?? id } = setting;
  return {
    id,
    title: typeof title === 'string' ? title.slice(0, 120) : id,
    kind,
    baseUrl: baseUrl.replace(/\/+$/, ''),
    keyEnv,
    defaultModel,
    prices,
    idleTimeoutMs: number('idleTimeoutMs', 100, 3_600_000),
    contextTokens: number('contextTokens', 1_000, 100_000_000),
  };
}

function isBaseUrl(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || url.username !== '' || url.password !== '' || url.hash !== '') return false;
  // A key in the address would be written down with it.
  return (url.protocol === 'https:' || url.protocol === 'http:') && url.search === '';
}

function isPrices(value: unknown): value is ModelProvider['prices'] {
  if (typeof value !== 'object' || value === null) return false;
  const isAmount = (amount: unknown): boolean =>
    typeof amount === 'number' && Number.isFinite(amount) && amount >= 0;
  return Object.values(value).every(
    (price: Partial<ModelPrice> | null) =>
      typeof price === 'object' && isAmount(price?.input) && isAmount(price?.output),
  );
}

/** What can be sent as a model's name, and shown: no control characters, at most 200. */
export function isModelName(value: unknown): value is string {
  return typeof value === 'string' && /^[^\p{Cc}]{1,200}$/u.test(value) && value.trim() === value;
}

/** Undefined where nobody knows. */
export function priceOf(provider: ModelProvider, model: string): ModelPrice | undefined {
  return Object.hasOwn(provider.prices, model) ? provider.prices[model] : provider.prices['*'];
}
