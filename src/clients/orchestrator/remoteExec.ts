import { AsyncQueue } from '../../base/asyncQueue.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { ExecRequest } from '../../core/containers/containerCommands.ts';
import type { EngineExec, StreamSink } from '../../core/ports/containerEngine.ts';
import type {
  ContainerServiceDefinition,
  ExecOpen,
  ExecRequest as ExecFrame,
  ExecResponse,
} from '../../protocol/gen/container/v1/container.ts';
import type { RpcClient } from '../grpc/rpcClient.ts';
import { streamOf } from './containerRecords.ts';

type Payload = NonNullable<ExecFrame['payload']>;

/** Bytes of input that may wait for their way; who writes more waits. */
const inputWindow = 256 * 1024;

/** Runs a command in a container of another core, over one stream. Resolves once it runs. */
export async function execRemotely(
  containers: RpcClient<typeof ContainerServiceDefinition>,
  containerId: string,
  request: ExecRequest,
  sink: StreamSink,
): Promise<EngineExec> {
  const stop = new AbortController();
  const input = new InputQueue();
  input.push({ $case: 'open', value: openMessage(containerId, request) });
  const answers = containers.exec(input, { signal: stop.signal })[Symbol.asyncIterator]();
  const first = await answers.next();
  const payload = first.done === true ? undefined : first.value.payload;
  if (payload?.$case !== 'started') throw lost();
  const exitCode = deliver(answers, sink).finally(() => input.end());
  // Whoever asks for it is told; the sink is in any case.
  exitCode.catch(() => undefined);
  return {
    id: payload.value.execId,
    write: (data) => input.write(data),
    endInput: () => input.push({ $case: 'endOfInput', value: {} }),
    resize: (cols, rows) => {
      input.push({ $case: 'resize', value: { cols, rows } });
      return Promise.resolve();
    },
    exitCode,
    dispose: () => {
      stop.abort();
      input.end();
    },
  };
}

function openMessage(containerId: string, request: ExecRequest): ExecOpen {
  const { command, env = {}, workingDir = '', user = '', tty = false, cols = 80, rows = 24 } = request;
  return {
    containerId,
    command: [...command],
    env: { ...env },
    workingDir,
    user,
    terminal: tty ? { cols, rows } : undefined,
    openInput: request.openInput ?? false,
  };
}

async function deliver(answers: AsyncIterator<ExecResponse>, sink: StreamSink): Promise<number | undefined> {
  try {
    for (let next = await answers.next(); next.done !== true; next = await answers.next()) {
      const { payload } = next.value;
      if (payload?.$case === 'output') {
        // A slow sink leaves the rest with the engine.
        await sink.onData(streamOf(payload.value.stream), payload.value.data);
      } else if (payload?.$case === 'exited') {
        sink.onEnd();
        return payload.value.exitCode;
      }
    }
    throw lost();
  } catch (error) {
    const known = OrchestratorError.from(error);
    sink.onEnd(known);
    throw known;
  }
}

function lost(): OrchestratorError {
  return new OrchestratorError('UNAVAILABLE', 'closed', 'The orchestrator ended the stream of a command.');
}

/** Frames on their way. Taken as fast as the connection takes them. */
class InputQueue implements AsyncIterable<ExecFrame> {
  private readonly queue = new AsyncQueue<Payload>();
  private waitingBytes = 0;
  private wake: (() => void)[] = [];

  push(payload: Payload): void {
    this.queue.push(payload);
  }

  async write(data: Uint8Array): Promise<void> {
    this.waitingBytes += data.length;
    this.push({ $case: 'input', value: data });
    while (this.waitingBytes > inputWindow) {
      await new Promise<void>((resolve) => this.wake.push(resolve));
    }
  }

  end(): void {
    this.waitingBytes = 0;
    this.queue.end();
    this.wakeAll();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ExecFrame, void, undefined> {
    for await (const payload of this.queue) {
      yield { payload };
      if (payload.$case !== 'input') continue;
      this.waitingBytes -= payload.value.length;
      this.wakeAll();
    }
  }

  private wakeAll(): void {
    for (const wake of this.wake.splice(0)) wake();
  }
}
