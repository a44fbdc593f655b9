import * as vscode from 'vscode';
import { terminalDrop } from '../contributions/ids.ts';
import type { RowNode } from '../views/rowTreeProvider.ts';

/**
 * Rows of terminals can be dragged into the editor area. VS Code opens there what it gets as addresses, so a terminal
 * has one, and an "editor" for it that only shows the terminal in its place.
 */
const scheme = 'orchestrator-terminal';
const suffix = `.${scheme}`;

export class TerminalDrag implements vscode.TreeDragAndDropController<RowNode> {
  readonly dropMimeTypes = [];
  readonly dragMimeTypes = ['text/uri-list'];

  handleDrag(nodes: readonly RowNode[], data: vscode.DataTransfer): void {
    const addresses = nodes
      .filter(({ row }) => row.kind === 'terminal')
      .map(({ row }) => vscode.Uri.from({ scheme, path: `/${row.targetId}${suffix}` }).toString());
    if (addresses.length > 0) data.set('text/uri-list', new vscode.DataTransferItem(addresses.join('\r\n')));
  }
}

/** Shows the terminal with this id in a column of the editor area. */
export type OpenInColumn = (id: string, column: vscode.ViewColumn) => Promise<void>;

/** The "editor" of a terminal that was dropped: makes room for the real tab. */
export class TerminalDrop implements vscode.CustomReadonlyEditorProvider {
  private readonly open: OpenInColumn;

  constructor(open: OpenInColumn) {
    this.open = open;
  }

  openCustomDocument(uri: vscode.Uri): vscode.CustomDocument {
    return { uri, dispose: () => undefined };
  }

  async resolveCustomEditor({ uri }: vscode.CustomDocument, panel: vscode.WebviewPanel): Promise<void> {
    const column = panel.viewColumn ?? vscode.ViewColumn.Active;
    panel.dispose();
    await this.open(uri.path.slice(1, -suffix.length), column);
  }
}

export function registerTerminalDrop(open: OpenInColumn): vscode.Disposable {
  return vscode.window.registerCustomEditorProvider(terminalDrop.viewType, new TerminalDrop(open));
}
