// Terminals of the scripted daemon: what is typed comes back, and bytes wait for who has not used those before.
import type { AnswerFrame } from '../../src/protocol/daemon/frames.ts';
import type { DaemonRequest } from '../../src/protocol/daemon/requests.ts';
import type { DaemonTerminal } from '../../src/protocol/daemon/shapes.ts';

const windowBytes = 256 * 1024;

interface Viewer {
  readonly send: (frame: AnswerFrame) => void;
  sentTo: number;
  ackedTo: number;
}

interface Terminal {
  readonly row: DaemonTerminal;
  bytes: Buffer;
  readonly viewers: Map<object, Viewer>;
}

export class ScriptedTerminals {
  private readonly terminals = new Map<string, Terminal>();

  print(terminalId: string, data: string | Buffer): void {
    const terminal = this.terminals.get(terminalId)!;
    terminal.bytes = Buffer.concat([terminal.bytes, Buffer.from(data)]);
    for (const viewer of terminal.viewers.values()) pump(terminal, viewer);
  }

  /** The client behind `link` is gone. */
  forget(link: object): void {
    for (const { viewers } of this.terminals.values()) viewers.delete(link);
  }

  /** As if nobody had ever made it. */
  remove(terminalId: string): void {
    this.terminals.delete(terminalId);
  }

  /**
   * @param send to the client behind `link`
   * @returns its answer; undefined for what is not about terminals, or is not answered.
   */
  handle(request: DaemonRequest, link: object, send: (frame: AnswerFrame) => void): AnswerFrame | undefined {
    if (request.type === 'list_terminals') {
      return { type: 'terminals_list', terminals: [...this.terminals.values()].map(({ row }) => row) };
    }
    if (request.type === 'spawn_terminal') {
      const row = newTerminal(`terminal_${this.terminals.size + 1}`, request.payload);
      this.terminals.set(row.id, { row, bytes: Buffer.from('$ '), viewers: new Map() });
      return { type: 'terminal_spawned', terminal: row };
    }
    if (!('payload' in request) || request.payload === undefined || !('terminalId' in request.payload))
      return;
    const { terminalId } = request.payload;
    const terminal = this.terminals.get(terminalId);
    if (terminal === undefined) {
      return { type: 'error', error: `No terminal ${terminalId}.`, reason: 'terminal_not_found' };
    }
    switch (request.type) {
      case 'terminal_input':
        this.print(terminalId, request.payload.data);
        return { type: 'terminal_done', terminalId };
      case 'terminal_resize':
        return { type: 'terminal_done', terminalId };
      case 'kill_terminal':
        for (const viewer of terminal.viewers.values()) {
          viewer.send({ type: 'terminal_exited', terminalId, exitCode: null, signal: 9, reason: 'killed' });
        }
        return { type: 'terminal_done', terminalId };
      case 'attach_terminal': {
        const { from } = request.payload;
        const offset = from ?? terminal.bytes.length;
        const viewer = { send, sentTo: offset, ackedTo: offset };
        terminal.viewers.set(link, viewer);
        queueMicrotask(() => pump(terminal, viewer));
        const { cols, rows } = terminal.row;
        const screen = from === undefined ? { screen: terminal.bytes.toString() } : {};
        return { type: 'terminal_attached', terminalId, offset, cols, rows, droppedBytes: 0, ...screen };
      }
      case 'terminal_ack': {
        const viewer = terminal.viewers.get(link);
        if (viewer === undefined) return;
        viewer.ackedTo = request.payload.offset;
        pump(terminal, viewer);
        return;
      }
      case 'detach_terminal':
        terminal.viewers.delete(link);
        return { type: 'terminal_done', terminalId };
      default:
        return;
    }
  }
}

function pump({ row, bytes }: Terminal, viewer: Viewer): void {
  const end = Math.min(bytes.length, viewer.ackedTo + windowBytes);
  while (viewer.sentTo < end) {
    const next = Math.min(end, viewer.sentTo + 10_000);
    const data = bytes.subarray(viewer.sentTo, next).toString('base64');
    const offset = viewer.sentTo;
    viewer.sentTo = next;
    viewer.send({ type: 'terminal_output', terminalId: row.id, offset, data });
  }
}

function newTerminal(
  id: string,
  {
    name = 'shell',
    cols = 80,
    rows = 24,
  }: { name?: string | undefined; cols?: number | undefined; rows?: number | undefined },
): DaemonTerminal {
  return {
    id,
    sessionId: 'session_1',
    name,
    managedBy: null,
    shell: '/bin/sh',
    cwd: '/',
    cols,
    rows,
    state: 'running',
    pid: 1,
    createdAt: '2026-01-01T00:00:00.000Z',
  };
}
