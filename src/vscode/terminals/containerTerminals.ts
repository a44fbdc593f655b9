import * as vscode from 'vscode';
import { type Disposable, DisposableStore } from '../../base/disposable.ts';
import type { Logger } from '../../base/logger.ts';
import type { Container } from '../../core/containers/container.ts';
import type { LiveOrchestrator, LiveContainers } from '../../core/liveOrchestrator.ts';
import { ContainerOutputPty } from './containerOutputPty.ts';
import { ContainerShellPty } from './containerShellPty.ts';

export interface ContainerTerminalsOptions {
  readonly containers: LiveContainers;
  readonly events: LiveOrchestrator['events'];
  readonly logger: Logger;
  readonly reachWindow: () => Promise<void>;
  /** Lines of the past that a tab begins with. */
  readonly scrollback: () => number;
}

/** Closed as soon as VS Code has closed its tab, which it does not always tell at a window's start. */
type ContainerPty = vscode.Pseudoterminal & { readonly isClosed: boolean };

type Kind = 'logs' | 'attach' | 'shell';

interface Tab {
  readonly kind: Kind;
  readonly containerId: string;
  readonly terminal: vscode.Terminal;
  readonly pty: ContainerPty;
}

/** The tabs of containers in this window: their output, and shells in them. */
export class ContainerTerminals implements Disposable {
  private readonly options: ContainerTerminalsOptions;
  private readonly resources = new DisposableStore();
  private tabs: readonly Tab[] = [];

  constructor(options: ContainerTerminalsOptions) {
    this.options = options;
    this.resources.add(
      vscode.window.onDidCloseTerminal((closed) => {
        this.tabs = this.tabs.filter(({ terminal }) => terminal !== closed);
      }),
    );
    this.resources.add(vscode.window.onDidOpenTerminal((tab) => this.disposeIfDead(tab)));
    for (const tab of vscode.window.terminals) this.disposeIfDead(tab);
  }

  /** What it has printed, and what it prints: in the tab that there is already, or in a new one. */
  showLogs(container: Container): void {
    if (this.reveal('logs', container)) return;
    const pty = new ContainerOutputPty({ ...this.options, container, takesInput: false });
    this.open('logs', container, pty, `${container.name} logs`, 'output');
  }

  /** As the logs, and what is typed goes to its program. */
  attach(container: Container): void {
    if (this.reveal('attach', container)) return;
    const pty = new ContainerOutputPty({ ...this.options, container, takesInput: true });
    this.open('attach', container, pty, `${container.name} attached`, 'vm-connect');
  }

  /** A further shell each time. */
  openShell(container: Container): void {
    const pty = new ContainerShellPty({ ...this.options, container });
    this.open('shell', container, pty, `${container.name} shell`, 'vm');
  }

  /** Shells that end with the container. */
  shellsIn(containerId: string): number {
    return this.tabs.filter((tab) => tab.kind === 'shell' && tab.containerId === containerId).length;
  }

  dispose(): void {
    this.resources.dispose();
    for (const { terminal } of this.tabs) terminal.dispose();
    this.tabs = [];
  }

  /**
   * After its extension host was killed, VS Code keeps such tabs without anything behind them. They are told by their
   * name and by having no program of their own.
   */
  private disposeIfDead(tab: vscode.Terminal): void {
    const options = tab.creationOptions;
    if ('pty' in options || options.shellPath !== undefined) return;
    const name = /^(.+) (?:logs|attached|shell)$/.exec(options.name ?? '')?.[1];
    if (name !== undefined && this.options.containers.list().some((each) => each.name === name))
      tab.dispose();
  }

  private reveal(kind: Kind, { id }: Container): boolean {
    this.tabs = this.tabs.filter(({ pty }) => !pty.isClosed);
    const tab = this.tabs.find((each) => each.kind === kind && each.containerId === id);
    tab?.terminal.show();
    return tab !== undefined;
  }

  private open(kind: Kind, container: Container, pty: ContainerPty, name: string, icon: string): void {
    const terminal = vscode.window.createTerminal({
      name,
      pty,
      iconPath: new vscode.ThemeIcon(icon),
      isTransient: true,
    });
    this.tabs = [...this.tabs, { kind, containerId: container.id, terminal, pty }];
    terminal.show();
  }
}
