import type { SecretStorage } from 'vscode';
import type { ModelProvider } from '../../core/models/modelProvider.ts';

/** The keys to models, in the secret storage: each for one provider at one address, and for no other. */
export class ModelKeys {
  private readonly secrets: SecretStorage;

  constructor(secrets: SecretStorage) {
    this.secrets = secrets;
  }

  async get(provider: ModelProvider): Promise<string | undefined> {
    return await this.secrets.get(nameOf(provider));
  }

  async set(provider: ModelProvider, key: string): Promise<void> {
    await this.secrets.store(nameOf(provider), key);
  }

  async remove(provider: ModelProvider): Promise<void> {
    await this.secrets.delete(nameOf(provider));
  }
}

/** Whoever changes the address does not get what was meant for another one. */
function nameOf({ id, baseUrl }: ModelProvider): string {
  return `modelKey ${id} ${new URL(baseUrl).origin}`;
}
