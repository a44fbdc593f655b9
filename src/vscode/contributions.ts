/**
 * The extension's part of package.json, typed. scripts/generateManifest.mts writes it there, and contributions.test.ts
 * checks that the code registers each command and reads each setting. Plain Node loads this file, so it imports no
 * `vscode`.
 */
import { commands, keybindings, menus } from './contributions/commands.ts';
import { languageModelTools } from './contributions/languageModelTools.ts';
import {
  mcpProviderId,
  panelViewType,
  taskManifest,
  terminalDrop,
  terminalProfileId,
} from './contributions/ids.ts';
import { configuration, restrictedConfigurations } from './contributions/settings.ts';
import { views, viewsContainers, viewsWelcome, walkthroughs } from './contributions/views.ts';

export const contributions = {
  commands,
  menus,
  keybindings,
  configuration,
  viewsContainers,
  views,
  viewsWelcome,
  walkthroughs,
  customEditors: [
    {
      viewType: terminalDrop.viewType,
      displayName: 'Orchestrator Terminal',
      selector: [{ filenamePattern: terminalDrop.filenamePattern }],
      priority: 'default',
    },
  ],
  jsonValidation: [{ fileMatch: `*${taskManifest.suffix}`, url: taskManifest.schema }],
  mcpServerDefinitionProviders: [{ id: mcpProviderId, label: 'Orchestration Workbench' }],
  languageModelTools,
  terminal: {
    profiles: [{ id: terminalProfileId, title: 'Orchestrator Terminal', icon: 'terminal' }],
  },
};

/** Commands, views and the walkthrough activate by themselves; these two restore what was open before a reload. */
export const activationEvents = [
  'onStartupFinished',
  `onWebviewPanel:${panelViewType}`,
  `onTerminalProfile:${terminalProfileId}`,
];

export const capabilities = {
  untrustedWorkspaces: {
    supported: 'limited',
    description: 'Nothing is started and nothing listens until the workspace is trusted.',
    restrictedConfigurations,
  },
  virtualWorkspaces: {
    supported: 'limited',
    description:
      'Terminals and runs start in a folder of the machine; folders of a virtual workspace are not offered.',
  },
};
