import * as vscode from 'vscode';
import { settingIds } from '../contributions/ids.ts';

/** Whether language models may have the workbench as an MCP server. Loaded at activation, as VS Code asks at once. */
export function isMcpOffered(): boolean {
  return (
    vscode.workspace.isTrusted && vscode.workspace.getConfiguration().get(settingIds.mcpEnabled) !== false
  );
}

/** What VS Code may start; where it will listen, is known when it has. */
export function mcpDefinitions(version: string): vscode.McpHttpServerDefinition[] {
  if (!isMcpOffered()) return [];
  const place = vscode.Uri.from({ scheme: 'unix', path: '/orchestration-workbench', fragment: '/mcp' });
  return [new vscode.McpHttpServerDefinition('Orchestration Workbench', place, {}, version)];
}
