import { OrchestratorError } from '../../base/errors.ts';
import type { FrameOf } from './frameCodec.ts';
import type { EventSource, RequestFunction } from './requestFunction.ts';

export interface TerminalExit {
  readonly exitCode: number | null;
  readonly signal: number | null;
  readonly reason: string;
}

export interface TerminalListeners {
  /**
   * Bytes as the terminal printed them, each once and in order; `offset` is that of the first. The daemon sends no more
   * than 256 KiB ahead of what was used: a listener that returns a promise has used them when that resolves.
   */
  readonly onData: (data: Uint8Array, offset: number) => void | Promise<void>;
  /** Bytes that are no longer kept. */
  readonly onGap?: ((from: number, to: number) => void) | undefined;
  readonly onExit?: ((exit: TerminalExit) => void) | undefined;
  /** After a drop the daemon did not take it back: it is over. */
  readonly onLost?: ((error: OrchestratorError) => void) | undefined;
}

/** A terminal that this client looks at. */
export interface TerminalAttachment {
  readonly terminalId: string;
  readonly cols: number;
  readonly rows: number;
  /** Draws the screen and what was scrolled off it; bytes go on after it. */
  readonly screen: string;
  input(data: string): Promise<void>;
  resize(cols: number, rows: number): Promise<void>;
  /** Looks away; the terminal goes on. */
  dispose(): void;
}

interface Link {
  readonly request: RequestFunction;
  readonly tell: (message: object) => void;
  readonly events: EventSource;
}

/** Used bytes are told of in steps of this size: a quarter of what the daemon sends ahead. */
const ackStep = 64 * 1024;

export async function attachTerminal(
  terminalId: string,
  { request, tell, events }: Link,
  listeners: TerminalListeners,
  onEnd: () => void,
): Promise<TerminalAttachment> {
  /** Undefined until the first answer: what is on the screen is not also sent as bytes. */
  let receivedTo: number | undefined;
  let ackedTo = 0;
  let isOver = false;
  const offs: (() => void)[] = [];

  const end = (): void => {
    if (isOver) return;
    isOver = true;
    for (const off of offs) off();
    onEnd();
  };
  const used = (offset: number): void => {
    if (isOver || offset - ackedTo < ackStep) return;
    ackedTo = offset;
    tell({ type: 'terminal_ack', payload: { terminalId, offset } });
  };
  const onAttached = (frame: FrameOf<'terminal_attached'>): void => {
    if (receivedTo !== undefined && frame.offset > receivedTo) listeners.onGap?.(receivedTo, frame.offset);
    receivedTo = Math.max(receivedTo ?? 0, frame.offset);
    // The daemon counts anew from where this attachment begins.
    ackedTo = frame.offset;
  };
  const onOutput = ({ data, offset }: FrameOf<'terminal_output'>): void => {
    const bytes = typeof data === 'string' ? fromBase64(data) : data;
    const known = Math.max(0, (receivedTo ?? offset) - offset);
    if (known >= bytes.byteLength) return;
    const begin = offset + known;
    const endOffset = offset + bytes.byteLength;
    receivedTo = endOffset;
    const using = listeners.onData(known === 0 ? bytes : bytes.subarray(known), begin);
    if (using === undefined) used(endOffset);
    // A listener that fails has had its chance with these bytes; the rest is not held back for it.
    else void using.catch(() => undefined).then(() => used(endOffset));
  };
  const mine =
    <F extends { readonly terminalId: string }>(then: (frame: F) => void) =>
    (frame: F): void => {
      if (frame.terminalId === terminalId) then(frame);
    };
  const attach = (from?: number): Promise<FrameOf<'terminal_attached'>> =>
    request(
      'attach_terminal',
      'terminal_attached',
      from === undefined ? { terminalId } : { terminalId, from },
    );

  offs.push(
    events.on('terminal_attached', mine(onAttached)),
    events.on('terminal_output', mine(onOutput)),
    events.on(
      'terminal_gap',
      mine(({ from, to }) => {
        receivedTo = Math.max(receivedTo ?? 0, to);
        listeners.onGap?.(from, to);
      }),
    ),
    events.on(
      'terminal_exited',
      mine(({ exitCode, signal, reason }) => {
        end();
        listeners.onExit?.({ exitCode, signal, reason });
      }),
    ),
  );
  let first: FrameOf<'terminal_attached'>;
  try {
    first = await attach();
  } catch (error) {
    end();
    throw error;
  }
  const attachAgain = async (): Promise<void> => {
    try {
      await attach(receivedTo);
    } catch (error) {
      const failure = OrchestratorError.from(error);
      // Lost once more on the way: the next connection tries again.
      if (failure.reason === 'closed' || isOver) return;
      end();
      listeners.onLost?.(failure);
    }
  };
  offs.push(events.on('connected', () => void attachAgain()));

  return {
    terminalId,
    cols: first.cols,
    rows: first.rows,
    screen: first.screen ?? '',
    input: async (data) => {
      await request('terminal_input', 'terminal_done', { terminalId, data });
    },
    resize: async (cols, rows) => {
      await request('terminal_resize', 'terminal_done', { terminalId, cols, rows });
    },
    dispose: () => {
      if (isOver) return;
      end();
      tell({ type: 'detach_terminal', payload: { terminalId } });
    },
  };
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
