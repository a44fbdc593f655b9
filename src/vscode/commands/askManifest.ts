import { basename, dirname } from 'node:path';
import * as vscode from 'vscode';
import { taskManifest } from '../contributions/ids.ts';
import type { CommandContext } from './context.ts';
import { defaultFolder } from './folders.ts';

type Choice = vscode.QuickPickItem & { readonly choose: () => Promise<vscode.Uri | undefined> };

/** The manifest that a person chooses: the open one first, those of the workspace, any file, or a new one. */
export async function askManifest(context: CommandContext): Promise<vscode.Uri | undefined> {
  const open = openManifest();
  const found = await context.manifests.find();
  const others = found.filter((uri) => uri.toString() !== open?.toString());
  const choices: Choice[] = [
    ...(open === undefined ? [] : [{ ...fileChoice(open), detail: 'In the editor' }]),
    ...others.map(fileChoice),
    {
      label: 'Browse…',
      description: 'a manifest anywhere on this machine',
      iconPath: new vscode.ThemeIcon('folder-opened'),
      alwaysShow: true,
      choose: () => browse(defaultFolder(context.home)),
    },
    {
      label: 'New Manifest…',
      description: `an example to begin with, *${taskManifest.suffix}`,
      iconPath: new vscode.ThemeIcon('new-file'),
      alwaysShow: true,
      choose: () => openExample(defaultFolder(context.home)),
    },
  ];
  const title = 'Start the container task of which manifest?';
  const picked = await vscode.window.showQuickPick(choices, {
    title,
    placeHolder: title,
    matchOnDescription: true,
  });
  return picked?.choose();
}

function fileChoice(uri: vscode.Uri): Choice {
  const folder = dirname(vscode.workspace.asRelativePath(uri));
  return {
    label: basename(uri.path, taskManifest.suffix),
    description: folder === '.' ? basename(uri.path) : `${folder}/${basename(uri.path)}`,
    iconPath: new vscode.ThemeIcon('json'),
    choose: () => Promise.resolve(uri),
  };
}

function openManifest(): vscode.Uri | undefined {
  const { document } = vscode.window.activeTextEditor ?? {};
  return document?.languageId === 'json' && document.uri.scheme === 'file' ? document.uri : undefined;
}

async function browse(folder: string): Promise<vscode.Uri | undefined> {
  const chosen = await vscode.window.showOpenDialog({
    defaultUri: vscode.Uri.file(folder),
    filters: { 'Task manifests': ['json'] },
    openLabel: 'Start Task',
  });
  return chosen?.[0];
}

const example = {
  id: 'hello-001',
  name: 'Hello',
  container: { image: 'docker.io/library/python:3', command: ['python3', '-c', "print('hello')"] },
  restart: 'never',
};

/** Not saved yet: it is started once the person likes it. */
async function openExample(folder: string): Promise<undefined> {
  const uri = vscode.Uri.file(`${folder}/hello${taskManifest.suffix}`).with({ scheme: 'untitled' });
  const editor = await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(uri));
  if (editor.document.getText() !== '') return;
  await editor.edit((edit) => {
    edit.insert(new vscode.Position(0, 0), `${JSON.stringify(example, null, 2)}\n`);
  });
}
