import { openSqliteStoreReadOnly } from '../adapters/sqlite/sqliteStore.ts';
import { OrchestratorError } from '../base/errors.ts';
import type { ProcessHost, TerminalStatus, WorkerStatus } from '../core/ports/processHost.ts';
import type { Store } from '../core/ports/store.ts';
import type { Run } from '../core/runs/run.ts';
import type { Session } from '../core/sessions/session.ts';
import type { Terminal } from '../core/terminals/terminal.ts';
import type { CommandContext } from './commandContext.ts';
import { openProcessHost } from './hostClient.ts';
import { shortestPrefixes } from './ids.ts';
import { statePaths } from './stateDir.ts';

/**
 * A state directory as one sees it without serving it: the database read-only, and the process host as one more client.
 * Works beside a running core and without one.
 */
export class StateView {
  readonly stateDir: string;
  /** Undefined where nothing was ever started. */
  readonly store: Store | undefined;
  /** Undefined where none runs. */
  readonly host: ProcessHost | undefined;

  private constructor(stateDir: string, store: Store | undefined, host: ProcessHost | undefined) {
    this.stateDir = stateDir;
    this.store = store;
    this.host = host;
  }

  /** Errors: `store_corrupt`, `store_too_new`, those of reaching a process host that runs. */
  static async open({ stateDir, logger }: Pick<CommandContext, 'stateDir' | 'logger'>): Promise<StateView> {
    const store = openSqliteStoreReadOnly(statePaths(stateDir).database);
    const host = openProcessHost(stateDir, logger);
    try {
      if (await host.connectIfRunning()) return new StateView(stateDir, store, host);
    } catch (error) {
      host.dispose();
      store?.dispose();
      throw error;
    }
    host.dispose();
    return new StateView(stateDir, store, undefined);
  }

  /** Oldest first. */
  sessions(): Session[] {
    return this.store?.list('session') ?? [];
  }

  terminals(): Terminal[] {
    return this.store?.list('terminal') ?? [];
  }

  runs(): Run[] {
    return this.store?.list('run') ?? [];
  }

  async liveTerminals(): Promise<Map<string, TerminalStatus>> {
    const all = (await this.host?.listTerminals()) ?? [];
    return new Map(all.filter(({ exit }) => exit === undefined).map((status) => [status.id, status]));
  }

  async liveWorkers(): Promise<Map<string, WorkerStatus>> {
    const all = (await this.host?.listWorkers()) ?? [];
    return new Map(all.filter(({ isAlive }) => isAlive).map((status) => [status.id, status]));
  }

  /** Every id shortened as far as it stays the only one of this directory. */
  shortIds(): ReadonlyMap<string, string> {
    return shortestPrefixes([...this.sessions(), ...this.terminals(), ...this.runs()].map(({ id }) => id));
  }

  /**
   * The terminal or run of an id, or of a prefix that only one id has.
   * Errors: `terminal_not_found`, `invalid_request` where several begin so.
   */
  find(idOrPrefix: string): FoundThing {
    const prefix = idOrPrefix.toLowerCase();
    const things: FoundThing[] = [
      ...this.terminals().map((terminal) => ({ kind: 'terminal', id: terminal.id, terminal }) as const),
      ...this.runs().map((run) => ({ kind: 'run', id: run.id, run }) as const),
    ];
    const matches = prefix === '' ? [] : things.filter(({ id }) => id.startsWith(prefix));
    const [first, second] = matches;
    if (first === undefined) {
      throw new OrchestratorError(
        'NOT_FOUND',
        'terminal_not_found',
        `There is no terminal and no run ${idOrPrefix} in ${this.stateDir}. See which there are: orchestrator ps --all`,
        { details: { id: idOrPrefix } },
      );
    }
    if (second !== undefined) {
      const names = matches.slice(0, 5).map(({ kind, id }) => `${kind} ${id}`);
      throw new OrchestratorError(
        'INVALID_ARGUMENT',
        'invalid_request',
        `${idOrPrefix} is the beginning of ${matches.length} ids (${names.join(', ')}${matches.length > 5 ? ' …' : ''}). Give more of it.`,
        { details: { id: idOrPrefix } },
      );
    }
    return first;
  }

  dispose(): void {
    this.host?.dispose();
    this.store?.dispose();
  }
}

export type FoundThing =
  | { readonly kind: 'terminal'; readonly id: string; readonly terminal: Terminal }
  | { readonly kind: 'run'; readonly id: string; readonly run: Run };

/** Opens the view for one command and closes it after. */
export async function withStateView<T>(
  context: Pick<CommandContext, 'stateDir' | 'logger'>,
  use: (view: StateView) => Promise<T>,
): Promise<T> {
  const view = await StateView.open(context);
  try {
    return await use(view);
  } finally {
    view.dispose();
  }
}
