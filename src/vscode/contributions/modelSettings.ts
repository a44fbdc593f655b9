import { settingIds as s } from './ids.ts';
import type { SettingGroup } from './settingSchema.ts';

const text = { type: 'string' };
const price = { type: 'number', minimum: 0 };

/** All of the application: a workspace must not choose where a key is sent, or what runs on this machine. */
export const models: SettingGroup = {
  [s.modelsProviders]: {
    type: 'array',
    default: [],
    items: {
      type: 'object',
      required: ['id'],
      additionalProperties: false,
      properties: {
        id: {
          ...text,
          description: 'Its name: `openai`, `anthropic` and `ollama` are there already and can be changed.',
        },
        title: { ...text, description: 'What people see.' },
        kind: {
          enum: ['openai', 'anthropic', 'ollama'],
          description: 'What it speaks; `openai` fits most servers.',
        },
        baseUrl: { ...text, description: 'Where it answers, with the version: https://host/v1.' },
        keyEnv: {
          type: ['string', 'null'],
          description: 'Environment variable with its key; null where it needs none. Never the key itself.',
        },
        defaultModel: { type: ['string', 'null'], description: 'The model of runs that name none.' },
        prices: {
          type: 'object',
          description: 'By model, or `*` for all: US dollars for a million tokens.',
          additionalProperties: {
            type: 'object',
            required: ['input', 'output'],
            properties: { input: price, output: price },
          },
        },
        idleTimeoutMs: {
          type: 'integer',
          minimum: 100,
          maximum: 3_600_000,
          description: 'How long it may be silent within an answer.',
        },
        contextTokens: { type: 'integer', minimum: 1_000, description: 'How much its models take in.' },
      },
    },
    scope: 'application',
    order: 1,
    markdownDescription:
      'Providers of language models, beside and over those that are there already (`openai`, `anthropic`, `ollama`). Keys are never part of it: set them with the command **Orchestrator: Set Model Key…**, or in the environment.',
  },
  [s.modelsDefault]: {
    type: 'string',
    default: '',
    scope: 'application',
    order: 2,
    markdownDescription:
      'The model of runs that name none: a provider, or `provider/model`. Empty takes the first provider whose key is there.',
  },
  [s.modelsAllowCodeInTerminal]: {
    type: 'boolean',
    default: false,
    scope: 'application',
    order: 3,
    markdownDescription:
      'Let models run code in a terminal of this machine, where their session has no image to make a container of. Such code may do all that you may.',
  },
};
