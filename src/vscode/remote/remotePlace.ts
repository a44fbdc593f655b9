import * as vscode from 'vscode';
import { Emitter } from '../../base/emitter.ts';
import { type Disposable, DisposableStore } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { RemoteOrchestrator } from '../../clients/orchestrator/remoteOrchestrator.ts';
import type { Terminal } from '../../core/terminals/terminal.ts';
import type { Place } from '../place.ts';
import { TerminalViews } from '../terminals/terminalViews.ts';
import { showProblem } from '../ui/problems.ts';
import { reachWindow } from '../ui/windowLink.ts';
import { nameFromTitle } from '../views/describe.ts';
import { LiveModel } from '../views/liveModel.ts';
import { buildRemoteRows, type RowTree } from '../views/rows.ts';

/** What is remembered of a connection. */
export interface RemoteAddress {
  readonly name: string;
  /** Path of a socket, `host:port`, or the URL of a daemon. */
  readonly address: string;
}

export interface RemotePlaceOptions extends RemoteAddress {
  readonly orchestrator: RemoteOrchestrator;
  readonly logger: Logger;
  readonly home: string;
  /** Whether its rows are on the screen. */
  readonly isTreeVisible: () => boolean;
}

/** An orchestrator that this window is connected to, or connects to again and again. */
export class RemotePlace implements Place, Disposable {
  readonly name: string;
  readonly address: string;
  readonly orchestrator: RemoteOrchestrator;
  readonly live: LiveModel;
  readonly terminals: TerminalViews;
  readonly containerTerminals = undefined;
  readonly isRemote = true;
  private readonly resources = new DisposableStore();
  private readonly changed = this.resources.add(new Emitter<void>());

  /** Rows or the connection. */
  readonly onDidChange = this.changed.event;

  constructor({ name, address, orchestrator, logger, home, isTreeVisible }: RemotePlaceOptions) {
    this.name = name;
    this.address = address;
    this.orchestrator = this.resources.add(orchestrator);
    this.terminals = this.resources.add(
      new TerminalViews({
        orchestrator,
        logger,
        reachWindow,
        // What runs there is not this window's to end by closing a tab.
        onDidCloseTab: () => undefined,
        onDidRenameTab: (terminal, title) => {
          const name = nameFromTitle(title, terminal, this.live.foreground.get(terminal.id));
          orchestrator.terminals.rename(terminal.id, name).catch((error: unknown) => {
            showProblem(`The terminal "${terminal.name}" was not renamed`, error, logger);
          });
        },
      }),
    );
    this.live = this.resources.add(
      new LiveModel({
        orchestrator,
        logger,
        home,
        isMotionReduced: () => vscode.workspace.getConfiguration('workbench').get('reduceMotion') === 'on',
        isWatched: () =>
          vscode.window.state.focused && (isTreeVisible() || this.terminals.openIds().length > 0),
      }),
    );
    this.resources.add(
      this.live.onDidChange(() => {
        this.terminals.retitle(this.live.foreground);
        this.changed.fire();
      }),
    );
    this.resources.add(orchestrator.onDidChangeConnection(() => this.changed.fire()));
  }

  rows(): RowTree {
    const { name, address, orchestrator } = this;
    return buildRemoteRows({ name, address, connection: orchestrator.connection }, this.live.rowsInput());
  }

  /** Whether the session, terminal or run is there. */
  has(id: string): boolean {
    const { sessions, terminals, runs } = this.orchestrator;
    return (
      id === this.address ||
      sessions.find(id) !== undefined ||
      terminals.find(id) !== undefined ||
      runs.find(id) !== undefined
    );
  }

  busyPrograms(terminals: readonly Terminal[]): Promise<string[]> {
    return this.live.busyPrograms(terminals);
  }

  /** Resolves once connected for the first time. Error: why it is not, within the time; `aborted`. */
  async whenConnected(limitMs: number, signal?: AbortSignal): Promise<void> {
    const { orchestrator } = this;
    if (orchestrator.connection === 'connected') return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const subscription = orchestrator.onDidChangeConnection((connection) => {
      if (connection !== 'connecting') resolve();
    });
    const timer = setTimeout(resolve, limitMs);
    signal?.addEventListener('abort', () => resolve(), { once: true });
    await promise;
    clearTimeout(timer);
    subscription.dispose();
    if (signal?.aborted === true) throw new OrchestratorError('CANCELLED', 'aborted', 'It was given up.');
    if (this.isConnected()) return;
    throw (
      orchestrator.lastError ??
      new OrchestratorError(
        'UNAVAILABLE',
        'closed',
        `Nobody answers at ${this.address}. Start it (orchestrator serve), or check the address.`,
      )
    );
  }

  dispose(): void {
    this.terminals.closeAll();
    this.resources.dispose();
  }

  private isConnected(): boolean {
    return this.orchestrator.connection === 'connected';
  }
}
