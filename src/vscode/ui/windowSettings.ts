/** What the settings and folders of this window say, in the words of those who are told. */
import * as vscode from 'vscode';
import type { OrchestratorLimits } from '../../core/limits.ts';
import { settingIds } from '../contributions/ids.ts';
import { stateDirectory } from '../core/stateDirectory.ts';
import type { DaemonSettings } from '../daemon/runningDaemon.ts';
import { readSetting } from './settings.ts';

export function configuredStateDirectory(context: vscode.ExtensionContext): string {
  const { workspaceFile, workspaceFolders } = vscode.workspace;
  return stateDirectory({
    configured: readSetting(settingIds.stateDirectory),
    globalStoragePath: context.globalStorageUri.fsPath,
    workspaceFile: workspaceFile?.scheme === 'file' ? workspaceFile.fsPath : undefined,
    folders: (workspaceFolders ?? []).map(({ uri }) => (uri.scheme === 'file' ? uri.fsPath : uri.toString())),
  });
}

/** The folders of this window that lie on this machine. */
export function localFolders(): string[] {
  return (vscode.workspace.workspaceFolders ?? [])
    .filter(({ uri }) => uri.scheme === 'file')
    .map(({ uri }) => uri.fsPath);
}

export function daemonSettings(): DaemonSettings {
  return {
    port: readSetting(settingIds.daemonPort),
    allowedOrigins: readSetting(settingIds.daemonAllowedOrigins),
    allowedHosts: readSetting(settingIds.daemonAllowedHosts),
  };
}

export function configuredLimits(): Partial<OrchestratorLimits> {
  const mebibyte = 1024 * 1024;
  return {
    maxConcurrentRuns: readSetting(settingIds.runMaxConcurrent),
    maxActiveSessions: readSetting(settingIds.daemonMaxSessions),
    recordLimitBytes: readSetting(settingIds.terminalRecordLimit) * mebibyte,
    maxTerminalsPerOwner: readSetting(settingIds.terminalMaxPerOwner),
    idleTimeoutMs: readSetting(settingIds.terminalIdleTimeout) * 60_000,
    keepEndedMs: readSetting(settingIds.terminalKeepEnded) * 24 * 60 * 60_000,
    endedRecordBytes: readSetting(settingIds.terminalEndedQuota) * mebibyte,
    cpuThresholdPercent: readSetting(settingIds.terminalCpuThreshold),
    memoryThresholdBytes: readSetting(settingIds.terminalMemoryThreshold) * mebibyte,
    keepEndedContainersMs: readSetting(settingIds.containersKeepEnded) * 24 * 60 * 60_000,
    endedContainerRecordBytes: readSetting(settingIds.containersEndedQuota) * mebibyte,
    allowsCodeInTerminal: readSetting(settingIds.modelsAllowCodeInTerminal),
    warmContainers: readSetting(settingIds.containersWarm),
    toolsAllowed: readSetting(settingIds.toolsAllowed),
  };
}
