import * as vscode from 'vscode';
import { type BackendProfile, urlProblem } from '../backends/backendProfiles.ts';
import { pickBackend } from '../backends/pickBackend.ts';
import { commandIds } from '../contributions/ids.ts';
import type { CommandHandler } from './context.ts';

const title = 'Add run backend';

/** A server of `/orchestrate/stream`, its name, and a token where it wants one. */
const addRunBackend: CommandHandler = async ({ backends }) => {
  const url = await vscode.window.showInputBox({
    title,
    prompt: 'Address of the server, in front of /orchestrate/stream',
    placeHolder: 'http://127.0.0.1:8787',
    ignoreFocusOut: true,
    validateInput: (value) => urlProblem(value.trim()),
  });
  if (url === undefined) return;
  const address = url.trim().replace(/\/+$/, '');
  const name = await vscode.window.showInputBox({
    title,
    prompt: 'Its name',
    value: new URL(address).host,
    ignoreFocusOut: true,
    validateInput: (value) => (value.trim() === '' ? 'The name must not be empty.' : undefined),
  });
  if (name === undefined) return;
  const token = await vscode.window.showInputBox({
    title,
    prompt:
      'Its token, sent as "Authorization: Bearer …" and kept in the secret storage. Empty where it wants none.',
    password: true,
    ignoreFocusOut: true,
  });
  if (token === undefined) return;
  const hasToken = token.trim() !== '';
  const profile: BackendProfile = {
    name: name.trim(),
    url: address,
    headers: {},
    secretHeaders: hasToken ? ['Authorization'] : [],
  };
  await backends.add(profile, hasToken ? { Authorization: `Bearer ${token.trim()}` } : {});
};

const removeRunBackend: CommandHandler = async ({ backends }) => {
  const profile = await pickBackend(backends, 'Remove which run backend?');
  if (profile !== undefined) await backends.remove(profile);
};

export const backendCommands = {
  [commandIds.addRunBackend]: addRunBackend,
  [commandIds.removeRunBackend]: removeRunBackend,
};
