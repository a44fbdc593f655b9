import { given } from '../../../protocol/given.ts';
import { invalidRequest } from '../../../core/text.ts';
import { AsyncQueue } from '../../../base/asyncQueue.ts';
import type { TerminalFollower } from '../../../core/ports/processHost.ts';
import type { PtyManager } from '../../../core/terminals/ptyManager.ts';
import type { Terminal } from '../../../core/terminals/terminal.ts';
import { OrchestratorError } from '../../../base/errors.ts';
import type {
  AttachOpen,
  AttachTerminalRequest,
  AttachTerminalResponse,
} from '../../../protocol/gen/terminal/v1/terminal.ts';
import type { CallContext } from '../rpcHandlers.ts';
import { exitMessage, snapshotMessage } from './terminalMessages.ts';

type Payload = NonNullable<AttachTerminalResponse['payload']>;

/** An unacknowledged window larger than this would only be memory. */
const largestWindow = 16 * 1024 * 1024;

/**
 * A snapshot, then the bytes after it within a window that the client acknowledges. When the client ends its side it
 * can acknowledge no more: from then on what was sent counts as used.
 */
export async function* attachTerminal(
  terminals: PtyManager,
  find: (id: string, call: CallContext) => Terminal,
  requests: AsyncIterable<AttachTerminalRequest>,
  call: CallContext,
): AsyncGenerator<AttachTerminalResponse, void, undefined> {
  const frames = requests[Symbol.asyncIterator]();
  const open = await firstFrame(frames);
  const { id } = find(open.terminalId, call);
  const { size } = open;
  if (size !== undefined) await terminals.resize(id, size.cols, size.rows, call.principal);

  const queue = new AsyncQueue<Payload>();
  let from = open.from;
  if (from === undefined) {
    const { scrollback } = open;
    const snapshot = await terminals.snapshot(id, scrollback === undefined ? {} : { scrollback });
    from = snapshot.offset;
    queue.push({ $case: 'snapshot', value: snapshotMessage(snapshot) });
  }
  const follower = await terminals.follow(
    id,
    {
      from,
      isForeground: open.isForeground,
      windowBytes: Math.min(given(open.windowBytes) ?? 256 * 1024, largestWindow),
    },
    {
      onData: (data, offset) => queue.push({ $case: 'output', value: { offset, data } }),
      onGap: (gapFrom, to) => queue.push({ $case: 'gap', value: { from: gapFrom, to } }),
      onResize: (cols, rows) => queue.push({ $case: 'resized', value: { cols, rows } }),
      onEnd: (exit) => {
        queue.push({ $case: 'exited', value: exitMessage(exit) });
        queue.end();
      },
      onLost: (error) => queue.fail(OrchestratorError.fromShape(error)),
    },
  );
  // Somebody looks at it, wherever.
  const hold = terminals.hold(id);
  try {
    const input = { hasEnded: false };
    takeInput(terminals, id, frames, follower, call)
      .then(() => (input.hasEnded = true))
      .catch((error: unknown) => queue.fail(error));
    let sent = from;
    for await (const payload of queue) {
      yield { payload };
      if (payload.$case === 'output') sent = payload.value.offset + payload.value.data.length;
      if (input.hasEnded) follower.ack(sent);
    }
  } finally {
    hold.dispose();
    follower.dispose();
  }
}

async function firstFrame(frames: AsyncIterator<AttachTerminalRequest>): Promise<AttachOpen> {
  const first = await frames.next();
  if (first.done !== true && first.value.payload?.$case === 'open') return first.value.payload.value;
  throw invalidRequest('The first message must open a terminal.');
}

/** Until the client ends its side. */
async function takeInput(
  terminals: PtyManager,
  id: string,
  frames: AsyncIterator<AttachTerminalRequest>,
  follower: TerminalFollower,
  { principal }: CallContext,
): Promise<void> {
  for (let next = await frames.next(); next.done !== true; next = await frames.next()) {
    const { payload } = next.value;
    switch (payload?.$case) {
      case 'ack':
        follower.ack(payload.value);
        break;
      case 'input':
        await terminals.write(id, payload.value, principal);
        break;
      case 'resize':
        await terminals.resize(id, payload.value.cols, payload.value.rows, principal);
        break;
      case 'open':
        throw invalidRequest('The stream has opened a terminal already.');
      case undefined:
        break;
    }
  }
}
