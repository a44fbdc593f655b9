import { join } from 'node:path';
import * as vscode from 'vscode';
import type { Logger } from '../../base/logger.ts';
import { createRunBackends, type BackendDirectory } from '../../clients/runStream/runBackends.ts';
import type { Models } from '../../core/ports/models.ts';
import { defaultFolder } from '../commands/folders.ts';
import { settingIds } from '../contributions/ids.ts';
import type { DaemonControl } from '../daemon/daemonControl.ts';
import { createWindowServers, windowSecrets } from '../tools/windowServers.ts';
import { readSetting } from '../ui/settings.ts';
import { reachWindow } from '../ui/windowLink.ts';
import { configuredLimits, configuredStateDirectory, localFolders } from '../ui/windowSettings.ts';
import { CoreService } from './coreService.ts';

export interface WindowCoreOptions {
  readonly frame: { readonly context: vscode.ExtensionContext; readonly log: Logger };
  readonly version: string;
  readonly home: string;
  readonly models: Models;
  readonly backends: BackendDirectory;
  readonly daemon: DaemonControl;
}

/** The core of this window, as its settings have it. Nothing is started yet. */
export function openWindowCore(options: WindowCoreOptions): CoreService {
  const { frame, version, home, models, backends, daemon } = options;
  const { context, log } = frame;
  return new CoreService({
    stateDir: configuredStateDirectory(context),
    distDir: join(context.extensionPath, 'dist'),
    version,
    label: vscode.workspace.name ?? 'window without a folder',
    limits: configuredLimits,
    isShellIntegrated: readSetting(settingIds.terminalIntegration),
    defaultDirectory: () => defaultFolder(home),
    engineAddress: () => readSetting(settingIds.containersEngine),
    toolServers: () => createWindowServers(context),
    secrets: windowSecrets(context),
    servesGrpc: readSetting(settingIds.grpcEnabled),
    models,
    backends: createRunBackends(backends),
    daemon,
    folders: localFolders(),
    containerTasksAtQuit: readSetting(settingIds.containerTasksAtQuit),
    logger: log,
    isTrusted: () => vscode.workspace.isTrusted,
    reachWindow,
  });
}
