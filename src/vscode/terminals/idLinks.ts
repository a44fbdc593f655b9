import * as vscode from 'vscode';
import type { Orchestrator } from '../../core/orchestrator.ts';
import { commandIds } from '../contributions/ids.ts';
import { runLabel, terminalName } from '../views/describe.ts';
import { findIds } from './idPattern.ts';

interface Target {
  readonly tooltip: string;
  readonly open: () => Thenable<unknown>;
}

class IdLink extends vscode.TerminalLink {
  readonly open: Target['open'];

  constructor(startIndex: number, length: number, { tooltip, open }: Target) {
    super(startIndex, length, tooltip);
    this.open = open;
  }
}

/** Makes links of the ids that any terminal of this window shows: of what is known here, and of nothing else. */
export class IdLinkProvider implements vscode.TerminalLinkProvider<IdLink> {
  private readonly orchestrator: Orchestrator;
  /** Shows a session's row. */
  private readonly revealSession: (id: string) => Thenable<unknown>;

  constructor(orchestrator: Orchestrator, revealSession: (id: string) => Thenable<unknown>) {
    this.orchestrator = orchestrator;
    this.revealSession = revealSession;
  }

  provideTerminalLinks({ line }: vscode.TerminalLinkContext): IdLink[] {
    return findIds(line).flatMap(({ id, index }) => {
      const target = this.target(id);
      return target === undefined ? [] : [new IdLink(index, id.length, target)];
    });
  }

  async handleTerminalLink({ open }: IdLink): Promise<void> {
    await open();
  }

  private target(id: string): Target | undefined {
    const { terminals, runs, sessions } = this.orchestrator;
    const terminal = terminals.find(id);
    if (terminal !== undefined) {
      return {
        tooltip: `Attach to the terminal "${terminalName(terminal)}"`,
        open: () => vscode.commands.executeCommand(commandIds.attachTerminal, id),
      };
    }
    const run = runs.find(id);
    if (run !== undefined) {
      return {
        tooltip: `Show the run "${runLabel(run)}"`,
        open: () => vscode.commands.executeCommand(commandIds.showRun, id),
      };
    }
    // Closed ones have no row to show.
    const session = sessions.find(id);
    if (session === undefined || session.state === 'closed') return undefined;
    return { tooltip: `Show the session "${session.name}"`, open: () => this.revealSession(id) };
  }
}
