import { Bell } from '../../base/bell.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { FollowOptions, FollowSink, TerminalFollower } from '../../core/ports/processHost.ts';
import {
  AttachOpen,
  type AttachTerminalRequest,
  type AttachTerminalResponse,
  type TerminalServiceDefinition,
} from '../../protocol/gen/terminal/v1/terminal.ts';
import type { RpcClient } from '../grpc/rpcClient.ts';
import { exitOf } from './terminalRecords.ts';

type Terminals = RpcClient<typeof TerminalServiceDefinition>;

/** Follows a terminal of another core over one stream: its bytes one way, what was used of them the other. */
export function followRemotely(
  terminals: Terminals,
  terminalId: string,
  options: FollowOptions,
  sink: FollowSink,
): TerminalFollower {
  const acks = new AckQueue({
    $case: 'open',
    value: AttachOpen.fromPartial({
      terminalId,
      from: options.from,
      windowBytes: options.windowBytes ?? 0,
      isForeground: options.isForeground ?? false,
    }),
  });
  const stop = new AbortController();
  void deliver(terminals.attachTerminal(acks, { signal: stop.signal }), terminalId, sink).catch(
    (error: unknown) => {
      if (!stop.signal.aborted) sink.onLost?.(OrchestratorError.from(error).toShape());
    },
  );
  return {
    ack: (offset) => acks.push(offset),
    dispose() {
      stop.abort();
      acks.end();
    },
  };
}

async function deliver(
  answers: AsyncIterable<AttachTerminalResponse>,
  id: string,
  sink: FollowSink,
): Promise<void> {
  let end = 0;
  for await (const { payload } of answers) {
    switch (payload?.$case) {
      case 'output': {
        const { data, offset } = payload.value;
        end = offset + data.length;
        sink.onData(data, offset);
        break;
      }
      case 'gap':
        sink.onGap?.(payload.value.from, payload.value.to);
        break;
      case 'resized':
        sink.onResize?.(payload.value.cols, payload.value.rows);
        break;
      case 'exited':
        sink.onEnd?.({ id, end, ...exitOf(payload.value) });
        return;
      case 'snapshot':
      case undefined:
        break;
    }
  }
  throw new OrchestratorError('UNAVAILABLE', 'closed', 'The orchestrator ended the stream of a terminal.');
}

/** The first frame, then acknowledgements. Only the newest counts, so no more than one waits. */
class AckQueue implements AsyncIterable<AttachTerminalRequest> {
  private readonly open: NonNullable<AttachTerminalRequest['payload']>;
  private ack: number | undefined;
  private hasEnded = false;
  private readonly bell = new Bell();

  constructor(open: NonNullable<AttachTerminalRequest['payload']>) {
    this.open = open;
  }

  push(offset: number): void {
    this.ack = offset;
    this.bell.ring();
  }

  end(): void {
    this.hasEnded = true;
    this.bell.ring();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<AttachTerminalRequest, void, undefined> {
    yield { payload: this.open };
    while (!this.hasEnded) {
      const { ack } = this;
      this.ack = undefined;
      if (ack === undefined) await this.bell.heard();
      else yield { payload: { $case: 'ack', value: ack } };
    }
  }
}
