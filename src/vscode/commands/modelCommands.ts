import * as vscode from 'vscode';
import type { ModelProvider } from '../../core/models/modelProvider.ts';
import { commandIds } from '../contributions/ids.ts';
import type { CommandContext, CommandHandler } from './context.ts';

const setModelKey: CommandHandler = async (context) => {
  const provider = await askProvider(context, 'Set the key to which models?', () => true);
  if (provider === undefined) return;
  const key = await vscode.window.showInputBox({
    title: `Key to ${provider.title}`,
    prompt: `It is kept in the secret storage, and sent to ${new URL(provider.baseUrl).host} only.`,
    password: true,
    ignoreFocusOut: true,
    validateInput: (value) => (value.trim() === '' ? 'Type or paste the key.' : undefined),
  });
  if (key === undefined) return;
  await context.modelKeys.set(provider, key.trim());
  vscode.window.setStatusBarMessage(`$(check) The key to ${provider.title} is set`, 3_000);
};

const removeModelKey: CommandHandler = async (context) => {
  const provider = await askProvider(context, 'Remove the key to which models?', (isStored) => isStored);
  if (provider === undefined) return;
  await context.modelKeys.remove(provider);
  vscode.window.setStatusBarMessage(`$(check) The key to ${provider.title} is removed`, 3_000);
};

/** Undefined when the question was dismissed, or there is nothing to choose. */
async function askProvider(
  { models, modelKeys }: CommandContext,
  title: string,
  isOffered: (isStored: boolean) => boolean,
): Promise<ModelProvider | undefined> {
  const providers = await models.providers();
  const choices = await Promise.all(
    providers.map(async (provider) => {
      const isStored = (await modelKeys.get(provider)) !== undefined;
      const isThere = isStored || (await models.keyOf(provider)) !== undefined;
      const description = isStored ? 'its key is set' : isThere ? `by $${provider.keyEnv ?? ''}` : '';
      return { label: provider.title, description, detail: provider.baseUrl, provider, isStored };
    }),
  );
  const offered = choices.filter(({ isStored }) => isOffered(isStored));
  if (offered.length === 0) {
    void vscode.window.showInformationMessage('No key to a model is kept here.');
    return undefined;
  }
  return (await vscode.window.showQuickPick(offered, { title, placeHolder: title }))?.provider;
}

export const modelCommands = {
  [commandIds.setModelKey]: setModelKey,
  [commandIds.removeModelKey]: removeModelKey,
};
