import { createModels } from '../../adapters/models/models.ts';
import type { Models } from '../../core/ports/models.ts';
import { settingIds } from '../contributions/ids.ts';
import { readSetting } from '../ui/settings.ts';
import type { ModelKeys } from './modelKeys.ts';

/** The models that this window's settings name, with keys from its secret storage, else from its environment. */
export function createWindowModels(keys: ModelKeys): Models {
  return createModels({
    settings: () => ({
      providers: readSetting(settingIds.modelsProviders),
      default: readSetting(settingIds.modelsDefault),
    }),
    storedKey: (provider) => keys.get(provider),
    environment: process.env,
  });
}
