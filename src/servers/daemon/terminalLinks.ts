import { type Disposable, DisposableMap, DisposableStore } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { PtyManager } from '../../core/terminals/ptyManager.ts';
import type { TerminalFollower } from '../../core/ports/processHost.ts';
import type { ErrorFrame, TerminalFrame } from '../../protocol/daemon/frames.ts';

/** Bytes of a terminal that a client may leave without acknowledging them. */
const windowBytes = 256 * 1024;
/** Terminals that one client may be attached to at a time. */
const attachLimit = 64;

interface Attachment extends Disposable {
  follower: TerminalFollower | undefined;
}

/** The terminals that one client is attached to. Whoever reads slowly reads later, and never slows the terminal. */
export class TerminalLinks implements Disposable {
  private readonly terminals: PtyManager;
  private readonly send: (frame: TerminalFrame | ErrorFrame) => void;
  private readonly attachments = new DisposableMap<string, Attachment>();

  constructor(terminals: PtyManager, send: (frame: TerminalFrame | ErrorFrame) => void) {
    this.terminals = terminals;
    this.send = send;
  }

  /**
   * Answers `terminal_attached` by `onAttached`, then sends what the terminal prints. Another attachment to the same one
   * is replaced. Errors: `terminal_not_found`, `invalid_request` beyond 64, those of reaching the process host.
   */
  async attach(
    id: string,
    from: number | undefined,
    onAttached: (frame: TerminalFrame) => void,
  ): Promise<void> {
    const { cols, rows } = this.terminals.get(id);
    if (this.attachments.size >= attachLimit && !this.attachments.has(id)) {
      throw new OrchestratorError(
        'RESOURCE_EXHAUSTED',
        'invalid_request',
        `At most ${attachLimit} terminals can be attached over one connection. Detach one first.`,
      );
    }
    const parts = new DisposableStore();
    const attachment: Attachment = { follower: undefined, dispose: () => parts.dispose() };
    this.attachments.set(id, attachment);
    // Somebody looks at it.
    parts.add(this.terminals.hold(id));
    try {
      const start = from === undefined ? await this.terminals.snapshot(id) : { offset: from, cols, rows };
      if (parts.isDisposed) return;
      onAttached({
        type: 'terminal_attached',
        terminalId: id,
        offset: start.offset,
        cols: start.cols,
        rows: start.rows,
        droppedBytes: 0,
        ...('data' in start ? { screen: start.data, droppedBytes: start.droppedBytes } : {}),
      });
      await this.follow(id, start.offset, attachment, parts);
    } catch (error) {
      this.forget(id, attachment);
      throw error;
    }
  }

  /** Everything before `offset` was used. Of a terminal that is not attached any more it says nothing. */
  ack(id: string, offset: number): void {
    this.attachments.get(id)?.follower?.ack(offset);
  }

  detach(id: string): void {
    this.attachments.delete(id);
  }

  dispose(): void {
    this.attachments.dispose();
  }

  private async follow(
    id: string,
    from: number,
    attachment: Attachment,
    parts: DisposableStore,
  ): Promise<void> {
    const send = (frame: TerminalFrame | ErrorFrame): void => {
      if (!parts.isDisposed) this.send(frame);
    };
    const follower = await this.terminals.follow(
      id,
      { from, windowBytes, isForeground: false },
      {
        onData: (data, offset) => send({ type: 'terminal_output', terminalId: id, offset, data }),
        onGap: (gapFrom, to) => send({ type: 'terminal_gap', terminalId: id, from: gapFrom, to }),
        onEnd: ({ exitCode, signal, reason }) => {
          send({ type: 'terminal_exited', terminalId: id, exitCode, signal, reason });
          this.forget(id, attachment);
        },
        onLost: ({ message, reason }) => {
          send({ type: 'error', error: message, reason });
          this.forget(id, attachment);
        },
      },
    );
    attachment.follower = follower;
    parts.add(follower);
  }

  private forget(id: string, attachment: Attachment): void {
    if (this.attachments.get(id) === attachment) this.attachments.delete(id);
  }
}
