import * as vscode from 'vscode';
import { systemClock } from '../../base/clock.ts';
import { DisposableStore } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { mcpSocketPath } from '../../processHost/paths.ts';
import type { McpSocket } from '../../servers/mcp/mcpSocket.ts';
import type { CoreService } from '../core/coreService.ts';
import { type LanguageModelToolName, settingIds } from '../contributions/ids.ts';
import { grantedScopes } from './grantedScopes.ts';
import { invokeTool } from './languageModelTools.ts';
import { isMcpOffered } from './mcpDefinition.ts';

export interface McpDoorOptions {
  readonly core: CoreService;
  readonly version: string;
  /** Fired when what is provided has changed. */
  readonly changed: vscode.EventEmitter<void>;
  readonly logger: Logger;
}

/**
 * The workbench as an MCP server of VS Code. It listens, on a socket of this user alone, only once VS Code has asked for
 * it, and only as long as this window has the core.
 */
export class McpDoor implements vscode.Disposable {
  private readonly options: McpDoorOptions;
  private readonly resources = new DisposableStore();
  private opening: Promise<McpSocket> | undefined;

  constructor(options: McpDoorOptions) {
    this.options = options;
    const { core, changed, logger } = options;
    this.resources.add(
      core.onDidChangeState(({ word }) => {
        if (word === 'ready' || this.opening === undefined) return;
        this.close().catch((error: unknown) => logger.warn('The MCP server did not close cleanly', error));
      }),
    );
    this.resources.add(
      vscode.workspace.onDidChangeConfiguration((change) => {
        if (!change.affectsConfiguration(settingIds.mcpEnabled)) return;
        changed.fire();
        if (!isMcpOffered()) void this.close();
      }),
    );
    this.resources.add(vscode.workspace.onDidGrantWorkspaceTrust(() => changed.fire()));
  }

  /** Starts the core where need be, and listens. Errors: those of starting the core and of opening a socket. */
  async resolve(definition: vscode.McpServerDefinition): Promise<vscode.McpServerDefinition> {
    if (!(definition instanceof vscode.McpHttpServerDefinition)) return definition;
    if (!isMcpOffered())
      throw new OrchestratorError(
        'FAILED_PRECONDITION',
        'workspace_untrusted',
        'The MCP server of the workbench is off: trust the workspace, and see the setting orchestrator.mcp.enabled.',
      );
    const { socketPath, token } = await this.open();
    definition.uri = vscode.Uri.from({
      scheme: process.platform === 'win32' ? 'pipe' : 'unix',
      path: socketPath,
      fragment: '/mcp',
    });
    definition.headers = { Authorization: `Bearer ${token}` };
    return definition;
  }

  /** One of the few tools that need no server. Errors: what the tool says is wrong. */
  invokeTool(
    name: LanguageModelToolName,
    input: Readonly<Record<string, unknown>>,
    token: vscode.CancellationToken,
  ): Promise<vscode.LanguageModelToolResult> {
    return invokeTool(this.options.core, name, input, token);
  }

  /** Resolves when nothing listens any more; what clients started goes on. */
  async close(): Promise<void> {
    const { opening } = this;
    this.opening = undefined;
    const socket = await opening?.catch(() => undefined);
    if (socket === undefined) return;
    await socket.close();
    this.options.changed.fire();
  }

  dispose(): void {
    this.resources.dispose();
    void this.close();
  }

  private open(): Promise<McpSocket> {
    if (this.opening !== undefined) return this.opening;
    const opening = this.openSocket();
    this.opening = opening;
    opening.catch(() => {
      if (this.opening === opening) this.opening = undefined;
    });
    return opening;
  }

  private async openSocket(): Promise<McpSocket> {
    const { core, version, logger } = this.options;
    await core.ensureReady();
    const [{ openMcpSocket }, { localOrchestrator }, { defaultMcpLimits }] = await Promise.all([
      import('../../servers/mcp/mcpSocket.ts'),
      import('../../servers/mcp/localOrchestrator.ts'),
      import('../../servers/mcp/limits.ts'),
    ]);
    const socket = await openMcpSocket({
      socketPath: mcpSocketPath(core.stateDir),
      scopes: grantedScopes,
      orchestrator: async () => localOrchestrator(await core.ensureReady()),
      defaultDirectory: vscode.workspace.workspaceFolders?.find(({ uri }) => uri.scheme === 'file')?.uri
        .fsPath,
      version,
      limits: defaultMcpLimits,
      clock: systemClock,
      logger,
    });
    logger.info(`MCP at unix:${socket.socketPath}`);
    return socket;
  }
}
