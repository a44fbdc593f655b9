import { join } from 'node:path';
import * as vscode from 'vscode';
import { commandIds } from '../contributions/ids.ts';
import { claudeCommandLine, mcpConfiguration } from '../mcp/mcpConfiguration.ts';
import type { CommandHandler } from './context.ts';

const copyMcpConfiguration: CommandHandler = async ({ core, extensionId }) => {
  const extension = vscode.extensions.getExtension(extensionId);
  if (extension === undefined) return;
  const program = {
    node: process.execPath,
    cli: join(extension.extensionPath, 'dist', 'cli.js'),
    stateDir: core.stateDir,
    // Of a desktop this is the editor's own program, which has to be told to be Node.
    isEditor: process.versions['electron'] !== undefined,
  };
  const choice = await vscode.window.showQuickPick(
    [
      {
        label: 'Command for Claude Code',
        detail: 'claude mcp add …, to be run in a terminal',
        text: claudeCommandLine(program),
      },
      {
        label: 'JSON',
        detail: 'mcpServers, as .mcp.json and most clients have it',
        text: JSON.stringify(mcpConfiguration(program), null, 2),
      },
    ],
    { title: 'Copy MCP Configuration', placeHolder: 'For which client?' },
  );
  if (choice === undefined) return;
  await vscode.env.clipboard.writeText(choice.text);
  void vscode.window.showInformationMessage(
    'Copied. The client gets the tools of this workspace: what it starts goes on without it, and what others started it can only read. Copy it again after an update of the extension.',
  );
};

export const mcpCommands = {
  [commandIds.copyMcpConfiguration]: copyMcpConfiguration,
} satisfies Readonly<Record<string, CommandHandler>>;
