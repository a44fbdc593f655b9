import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import * as vscode from 'vscode';
import { DisposableStore } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { SecretStore } from '../../core/ports/secretStore.ts';
import type { ToolServers } from '../../core/ports/toolParts.ts';
import { parseCommentedJson } from '../../core/tools/commentedJson.ts';
import { type ConfigInput, parseInputs, parseServers } from '../../core/tools/serverConfig.ts';
import type { ToolServer } from '../../core/tools/toolServer.ts';
import { settingIds } from '../contributions/ids.ts';
import { inspectSetting, readSetting } from '../ui/settings.ts';
import { type ServerSource, ServerSources, type SourceHost } from './serverSources.ts';

const decisionPrefix = 'orchestrator.tools.decision.';
const inputPrefix = 'orchestrator.tools.input.';

/** The MCP servers that this window knows of: the setting, and VS Code's own files, for which it has no API. */
export function createWindowServers(context: vscode.ExtensionContext): ToolServers {
  const sources = new ServerSources(sourceHost(context));
  const watching = new DisposableStore();
  const files = watching.add(vscode.workspace.createFileSystemWatcher('**/.vscode/mcp.json'));
  const changed = (): void => sources.invalidate();
  for (const event of [files.onDidChange, files.onDidCreate, files.onDidDelete]) watching.add(event(changed));
  watching.add(
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration('orchestrator.tools')) changed();
    }),
  );
  watching.add(vscode.workspace.onDidChangeWorkspaceFolders(changed));
  return {
    onDidChange: sources.onDidChange,
    read: () => sources.read(),
    secrets: (servers) => sources.secrets(servers),
    dispose() {
      watching.dispose();
      sources.dispose();
    },
  };
}

/** Where sign-ins are kept: VS Code's own place for secrets. */
export function windowSecrets(context: vscode.ExtensionContext): SecretStore {
  return {
    get: async (key) => context.secrets.get(key),
    set: async (key, value) => context.secrets.store(key, value),
    delete: async (key) => context.secrets.delete(key),
  };
}

function sourceHost(context: vscode.ExtensionContext): SourceHost {
  const { globalState, secrets } = context;
  const keyOf = (content: string): string =>
    decisionPrefix + createHash('sha256').update(content).digest('hex');
  const secretOf = (source: string, id: string): string => `${inputPrefix}${source}.${id}`;
  return {
    readSources: () => readSources(context),
    decision: (content) => globalState.get<boolean>(keyOf(content)),
    async askApproval(source, server, content) {
      const answer = await vscode.window.showWarningMessage(
        `${source} wants to use the tool server "${server.displayName}": ${shownServer(server)}`,
        'Allow',
        'Never',
      );
      if (answer === undefined) return undefined;
      await globalState.update(keyOf(content), answer === 'Allow');
      return answer === 'Allow';
    },
    readInput: async (source, id) => secrets.get(secretOf(source, id)),
    async askInput(source, { id, description, isPassword }) {
      const value = await vscode.window.showInputBox({
        title: `Tool servers: ${source}`,
        prompt: description,
        password: isPassword,
        ignoreFocusOut: true,
      });
      if (value !== undefined) await secrets.store(secretOf(source, id), value);
      return value;
    },
  };
}

/** What would be started, as one line: a stranger's text. */
function shownServer(server: ToolServer): string {
  const text = server.kind === 'http' ? server.url : [server.command, ...server.args].join(' ');
  const clean = text.replaceAll(/[\p{C}\s]+/gu, ' ');
  return clean.length > 300 ? `${clean.slice(0, 300)}…` : clean;
}

async function readSources(context: vscode.ExtensionContext): Promise<readonly ServerSource[]> {
  const isTrusted = vscode.workspace.isTrusted;
  const folders = (vscode.workspace.workspaceFolders ?? []).filter(({ uri }) => uri.scheme === 'file');
  const [first] = folders;
  const setting = inspectSetting(settingIds.toolsServers);
  const sources = [
    sourceOf('Your settings', setting.ofUser, undefined, false),
    ...(isTrusted
      ? [sourceOf('The settings of this workspace', setting.ofWorkspace, first?.uri.fsPath, true)]
      : []),
  ];
  if (!readSetting(settingIds.toolsUseVsCodeServers)) return sources;
  const ofFolders = isTrusted
    ? await Promise.all(
        folders.map(({ name, uri }) =>
          fileSource(`.vscode/mcp.json in ${name}`, join(uri.fsPath, '.vscode', 'mcp.json'), uri.fsPath),
        ),
      )
    : [];
  // Beside the folder in which all extensions keep what is theirs.
  const userFile = join(context.globalStorageUri.fsPath, '..', '..', 'mcp.json');
  return [...sources, ...ofFolders, await fileSource('Your mcp.json', userFile, undefined)];
}

async function fileSource(label: string, path: string, folder: string | undefined): Promise<ServerSource> {
  let content: string;
  try {
    content = await readFile(path, 'utf8');
  } catch {
    return sourceOf(label, undefined, folder, folder !== undefined);
  }
  try {
    return sourceOf(label, parseCommentedJson(content), folder, folder !== undefined);
  } catch (error) {
    return broken(label, error);
  }
}

function sourceOf(
  label: string,
  config: unknown,
  folder: string | undefined,
  isOfWorkspace: boolean,
): ServerSource {
  if (config === undefined)
    return { label, isOfWorkspace, servers: { entries: [], problems: [] }, inputs: [] };
  try {
    const servers = parseServers(config, {
      env: (name) => process.env[name],
      folder,
      home: homedir(),
    });
    return { label, isOfWorkspace, servers, inputs: parseInputs(config) satisfies ConfigInput[] };
  } catch (error) {
    return broken(label, error);
  }
}

function broken(label: string, error: unknown): ServerSource {
  const problems = [{ name: label, problem: OrchestratorError.from(error).message }];
  return { label, isOfWorkspace: true, servers: { entries: [], problems }, inputs: [] };
}
