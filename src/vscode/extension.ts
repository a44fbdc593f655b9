/**
 * Activation: everything is registered here, and nothing is loaded. The rest comes from workbench.js, right after
 * activation or with the first thing that needs it.
 */
import * as vscode from 'vscode';
import type { Orchestrator } from '../core/orchestrator.ts';
import { validOwner } from '../core/terminals/owners.ts';
import { createTerminalApi, followLater, type OrchestrationWorkbenchApi } from './api.ts';
import {
  commandIds,
  contextKeys,
  languageModelToolNames,
  mcpProviderId,
  outputScheme,
  panelViewType,
  terminalProfileId,
  viewIds,
} from './contributions/ids.ts';
import { mcpDefinitions } from './mcp/mcpDefinition.ts';
import { prepareTool } from './mcp/toolQuestions.ts';
import { registerTerminalDrop, TerminalDrag } from './terminals/terminalDrag.ts';
import { RecordingLog } from './ui/recordingLog.ts';
import { DeferredTree } from './views/deferredTree.ts';
import type { Frame, Workbench } from './workbench.ts';

let loading: Promise<Workbench> | undefined;

export function activate(context: vscode.ExtensionContext): OrchestrationWorkbenchApi {
  const startedAt = performance.now();
  const channel = vscode.window.createOutputChannel('Orchestrator', { log: true });
  const log = new RecordingLog(channel);
  const sessionsTree = new DeferredTree();
  const agentsTree = new DeferredTree();
  const historyTree = new DeferredTree();
  const mcpChanged = new vscode.EventEmitter<void>();
  const { version } = context.extension.packageJSON as { readonly version: string };
  const frame: Frame = {
    context,
    log,
    mcpChanged,
    sessionsTree,
    agentsTree,
    historyTree,
    sessionsView: vscode.window.createTreeView(viewIds.sessions, {
      treeDataProvider: sessionsTree,
      dragAndDropController: new TerminalDrag(),
      canSelectMany: true,
      showCollapseAll: true,
    }),
    agentsView: vscode.window.createTreeView(viewIds.agents, {
      treeDataProvider: agentsTree,
      canSelectMany: true,
    }),
    historyView: vscode.window.createTreeView(viewIds.history, {
      treeDataProvider: historyTree,
      canSelectMany: true,
      showCollapseAll: true,
    }),
  };
  const workbench = (): Promise<Workbench> => (loading ??= load(frame));
  // The welcome views wait for this one.
  void vscode.commands.executeCommand(
    'setContext',
    contextKeys.state,
    vscode.workspace.isTrusted ? 'starting' : 'untrusted',
  );
  context.subscriptions.push(
    channel,
    mcpChanged,
    sessionsTree,
    agentsTree,
    historyTree,
    frame.sessionsView,
    frame.agentsView,
    frame.historyView,
    ...Object.values(commandIds).map((id) =>
      vscode.commands.registerCommand(id, async (...args: unknown[]) => (await workbench()).run(id, args)),
    ),
    vscode.window.registerWebviewPanelSerializer(panelViewType, {
      deserializeWebviewPanel: async (panel, state: unknown) =>
        (await workbench()).panels.deserializeWebviewPanel(panel, state),
    }),
    vscode.window.registerWebviewViewProvider(viewIds.runView, {
      resolveWebviewView: async (view) => {
        (await workbench()).panels.resolveWebviewView(view);
      },
    }),
    vscode.window.registerWebviewViewProvider(viewIds.daemon, {
      resolveWebviewView: async (view) => {
        (await workbench()).daemonView.resolveWebviewView(view);
      },
    }),
    vscode.window.registerTerminalProfileProvider(terminalProfileId, {
      provideTerminalProfile: async () => (await workbench()).provideTerminalProfile(),
    }),
    registerTerminalDrop(async (id, column) => (await workbench()).openTerminal(id, column)),
    vscode.workspace.registerTextDocumentContentProvider(outputScheme, {
      provideTextDocumentContent: async (uri) =>
        (await workbench()).documents.provideTextDocumentContent(uri),
    }),
    vscode.lm.registerMcpServerDefinitionProvider(mcpProviderId, {
      onDidChangeMcpServerDefinitions: mcpChanged.event,
      provideMcpServerDefinitions: () => mcpDefinitions(version),
      resolveMcpServerDefinition: async (definition) => (await workbench()).mcp.resolve(definition),
    }),
    ...Object.values(languageModelToolNames).map((name) =>
      vscode.lm.registerTool<Readonly<Record<string, unknown>>>(name, {
        prepareInvocation: ({ input }) => prepareTool(name, input),
        invoke: async ({ input }, token) => (await workbench()).mcp.invokeTool(name, input, token),
      }),
    ),
  );
  // After activation, so that nobody waits for it.
  setImmediate(() => {
    workbench().then(
      (loaded) => loaded.startIfUsedBefore(),
      (error: unknown) => {
        // Only a damaged installation comes here: nothing of ours that could offer more is there.
        log.error('the workbench did not load', error);
        void vscode.commands.executeCommand('setContext', contextKeys.state, 'broken');
        void vscode.window.showErrorMessage(
          'Orchestrator could not load a part of itself. Reinstall the extension and reload the window; sessions and their output are kept.',
        );
      },
    );
  });
  log.info(`activated in ${(performance.now() - startedAt).toFixed(1)} ms`);
  const sessions = async () => (await (await workbench()).ready()).orchestrator.terminalSessions;
  const follow: Parameters<typeof createTerminalApi>[1] = (attach) =>
    followLater<Orchestrator>(workbench(), ({ terminalSessions }) => attach(terminalSessions));
  return {
    ...createTerminalApi(sessions, follow),
    apiVersion: 1,
    asPrincipal: (owner) => {
      validOwner(owner);
      return createTerminalApi(sessions, follow, (all) => all.asPrincipal(owner));
    },
    whenReady: async () => {
      await (await workbench()).ready();
    },
    ...(context.extensionMode === vscode.ExtensionMode.Test
      ? { internals: async () => (await workbench()).internals }
      : {}),
  };
}

/** Detaches and frees the lock. Nothing that runs is ended. */
export async function deactivate(): Promise<void> {
  if (loading === undefined) return;
  const workbench = await loading;
  await workbench.close();
}

async function load(frame: Frame): Promise<Workbench> {
  const startedAt = performance.now();
  // esbuild leaves this as a require of the other bundle.
  const module = await import('./workbench.ts');
  const workbench = new module.Workbench(frame);
  frame.context.subscriptions.push(workbench);
  frame.log.info(`workbench loaded in ${(performance.now() - startedAt).toFixed(1)} ms`);
  return workbench;
}
