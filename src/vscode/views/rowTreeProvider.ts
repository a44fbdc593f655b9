import * as vscode from 'vscode';
import { commandIds } from '../contributions/ids.ts';
import { diffRows } from './rowChanges.ts';
import { emptyRows, type Row, type RowTree } from './rows.ts';

/** One row's identity: the same object for the life of the row, as VS Code wants it, with what it shows now. */
export interface RowNode {
  readonly id: string;
  row: Row;
}

/** Draws a tree of rows, and asks VS Code only for those that changed. */
export class RowTreeProvider implements vscode.TreeDataProvider<RowNode> {
  private readonly changed = new vscode.EventEmitter<RowNode | RowNode[] | undefined>();
  private readonly nodes = new Map<string, RowNode>();
  private readonly tooltip: (row: Row) => Promise<vscode.MarkdownString | undefined>;
  private tree: RowTree = emptyRows;

  readonly onDidChangeTreeData = this.changed.event;

  constructor(tooltip: (row: Row) => Promise<vscode.MarkdownString | undefined>) {
    this.tooltip = tooltip;
  }

  update(tree: RowTree): void {
    const { changed, isRootChanged } = diffRows(this.tree, tree);
    this.tree = tree;
    for (const [id, node] of this.nodes) {
      const row = tree.rows.get(id);
      if (row === undefined) this.nodes.delete(id);
      else node.row = row;
    }
    if (isRootChanged) this.changed.fire(undefined);
    else if (changed.length > 0) {
      const known = changed.flatMap((id) => this.nodes.get(id) ?? []);
      if (known.length > 0) this.changed.fire(known);
    }
  }

  /** The node of a row that is there. */
  node(id: string): RowNode | undefined {
    const row = this.tree.rows.get(id);
    if (row === undefined) return undefined;
    let node = this.nodes.get(id);
    if (node === undefined) {
      node = { id, row };
      this.nodes.set(id, node);
    }
    return node;
  }

  getChildren(node?: RowNode): RowNode[] {
    return (this.tree.children.get(node?.id ?? '') ?? []).flatMap((id) => this.node(id) ?? []);
  }

  getParent(node: RowNode): RowNode | undefined {
    return node.row.parentId === undefined ? undefined : this.node(node.row.parentId);
  }

  getTreeItem({ id, row }: RowNode): vscode.TreeItem {
    const item = new vscode.TreeItem(row.label, collapsibleState[row.expansion]);
    item.id = id;
    item.description = row.description;
    item.iconPath = new vscode.ThemeIcon(
      row.icon.id,
      row.icon.color === undefined ? undefined : new vscode.ThemeColor(row.icon.color),
    );
    item.contextValue = row.context;
    item.accessibilityInformation = { label: row.accessibilityLabel };
    const command = openCommand[row.kind];
    if (command !== undefined) {
      item.command = { command: command.id, title: command.title, arguments: [{ id, row }] };
    }
    return item;
  }

  async resolveTreeItem(item: vscode.TreeItem, node: RowNode): Promise<vscode.TreeItem> {
    const tooltip = await this.tooltip(node.row);
    if (tooltip !== undefined) item.tooltip = tooltip;
    return item;
  }

  dispose(): void {
    this.changed.dispose();
  }
}

const collapsibleState = {
  none: vscode.TreeItemCollapsibleState.None,
  collapsed: vscode.TreeItemCollapsibleState.Collapsed,
  expanded: vscode.TreeItemCollapsibleState.Expanded,
};

/** What Enter or a click on a row does. */
const openCommand: Partial<Record<Row['kind'], { readonly id: string; readonly title: string }>> = {
  run: { id: commandIds.showRun, title: 'Show Run' },
  terminal: { id: commandIds.attachTerminal, title: 'Attach to Terminal' },
  container: { id: commandIds.showContainerLogs, title: 'Show Container Logs' },
  more: { id: commandIds.showMoreHistory, title: 'Show More' },
  task: { id: commandIds.showTask, title: 'Show Task' },
  containerTask: { id: commandIds.showContainerTask, title: 'Show Container Task' },
};
