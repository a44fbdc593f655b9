import * as vscode from 'vscode';
import type { RowNode, RowTreeProvider } from './rowTreeProvider.ts';

/** A tree that is registered at activation and filled when its provider has been loaded. Empty until then. */
export class DeferredTree implements vscode.TreeDataProvider<RowNode> {
  private readonly changed = new vscode.EventEmitter<RowNode | RowNode[] | undefined>();
  private provider: RowTreeProvider | undefined;
  private connection: vscode.Disposable | undefined;

  readonly onDidChangeTreeData = this.changed.event;

  /** Shows this provider's rows from now on. */
  connect(provider: RowTreeProvider): void {
    this.connection?.dispose();
    this.provider = provider;
    this.connection = provider.onDidChangeTreeData((node) => this.changed.fire(node));
    this.changed.fire(undefined);
  }

  getTreeItem(node: RowNode): vscode.TreeItem {
    return this.provider?.getTreeItem(node) ?? new vscode.TreeItem('');
  }

  getChildren(node?: RowNode): RowNode[] {
    return this.provider?.getChildren(node) ?? [];
  }

  getParent(node: RowNode): RowNode | undefined {
    return this.provider?.getParent(node);
  }

  resolveTreeItem(item: vscode.TreeItem, node: RowNode): vscode.ProviderResult<vscode.TreeItem> {
    return this.provider?.resolveTreeItem(item, node) ?? item;
  }

  dispose(): void {
    this.connection?.dispose();
    this.changed.dispose();
  }
}
