import { OrchestratorError } from '../../base/errors.ts';
import type { DaemonRequestOf } from '../../protocol/daemon/requests.ts';
import type { DaemonTerminal } from '../../protocol/daemon/shapes.ts';
import type { EventSource, RequestFunction } from './requestFunction.ts';
import { type TerminalAttachment, type TerminalListeners, attachTerminal } from './terminalAttachment.ts';

export type SpawnTerminalOptions = DaemonRequestOf<'spawn_terminal'>['payload'];

/** Terminals of the daemon, for programs and for a screen in a page. */
export class TerminalCalls {
  private readonly request: RequestFunction;
  /** Without an answer, and only where there is a connection. */
  private readonly tell: (message: object) => void;
  private readonly events: EventSource;
  private readonly attached = new Set<string>();

  constructor(request: RequestFunction, tell: (message: object) => void, events: EventSource) {
    this.request = request;
    this.tell = tell;
    this.events = events;
  }

  /** @param sessionId only those of this session. */
  async list(sessionId?: string): Promise<readonly DaemonTerminal[]> {
    const payload = sessionId === undefined ? {} : { sessionId };
    return (await this.request('list_terminals', 'terminals_list', payload)).terminals;
  }

  async spawn(options: SpawnTerminalOptions = {}): Promise<DaemonTerminal> {
    return (await this.request('spawn_terminal', 'terminal_spawned', options)).terminal;
  }

  /** Types `data`, at most 1 MiB. Never sent twice: it fails with `closed` where the connection was lost meanwhile. */
  async input(terminalId: string, data: string): Promise<void> {
    await this.request('terminal_input', 'terminal_done', { terminalId, data });
  }

  async resize(terminalId: string, cols: number, rows: number): Promise<void> {
    await this.request('terminal_resize', 'terminal_done', { terminalId, cols, rows });
  }

  async kill(terminalId: string): Promise<void> {
    await this.request('kill_terminal', 'terminal_done', { terminalId });
  }

  /**
   * Its screen, and from there on what it prints, over drops of the connection too. One attachment a terminal and
   * client. Errors: `terminal_exists` for a second one, and those of the daemon.
   */
  async attach(terminalId: string, listeners: TerminalListeners): Promise<TerminalAttachment> {
    if (this.attached.has(terminalId)) {
      throw new OrchestratorError(
        'ALREADY_EXISTS',
        'terminal_exists',
        `This client is attached to the terminal ${terminalId} already.`,
      );
    }
    this.attached.add(terminalId);
    const forget = (): void => {
      this.attached.delete(terminalId);
    };
    try {
      return await attachTerminal(
        terminalId,
        { request: this.request, tell: this.tell, events: this.events },
        listeners,
        forget,
      );
    } catch (error) {
      forget();
      throw error;
    }
  }
}
