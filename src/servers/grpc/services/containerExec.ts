import { AsyncQueue } from '../../../base/asyncQueue.ts';
import type { ContainerManager } from '../../../core/containers/containerManager.ts';
import type { EngineExec } from '../../../core/ports/containerEngine.ts';
import { outputStreams } from '../../../protocol/containerWords.ts';
import type { ExecOpen, ExecRequest, ExecResponse } from '../../../protocol/gen/container/v1/container.ts';
import type { CallContext } from '../rpcHandlers.ts';
import { given } from '../../../protocol/given.ts';
import { invalidRequest } from '../../../core/text.ts';

interface Item {
  readonly payload: NonNullable<ExecResponse['payload']>;
  /** The next output may come. */
  readonly taken?: () => void;
}

/**
 * A command in a container, as long as the stream lasts. Its output waits for the client at the engine, but for one
 * piece, so a client that reads slowly slows the command down and nothing else.
 */
export async function* execInContainer(
  containers: ContainerManager,
  findOwn: (id: string, call: CallContext) => string,
  requests: AsyncIterable<ExecRequest>,
  call: CallContext,
): AsyncGenerator<ExecResponse, void, undefined> {
  const frames = requests[Symbol.asyncIterator]();
  const open = await firstFrame(frames);
  const { terminal } = open;
  const queue = new AsyncQueue<Item>();
  const exec = await containers.exec(
    findOwn(open.containerId, call),
    {
      command: open.command,
      env: open.env,
      workingDir: given(open.workingDir),
      user: given(open.user),
      tty: terminal !== undefined,
      cols: given(terminal?.cols ?? 0),
      rows: given(terminal?.rows ?? 0),
      openInput: open.openInput,
    },
    {
      onData: (stream, data) =>
        new Promise((taken) => {
          queue.push({
            payload: { $case: 'output', value: { stream: outputStreams[stream], data } },
            taken,
          });
        }),
      onEnd: (error) => {
        if (error !== undefined) queue.fail(error);
      },
    },
  );
  try {
    yield { payload: { $case: 'started', value: { execId: exec.id } } };
    takeInput(exec, frames).catch((error: unknown) => queue.fail(error));
    exec.exitCode.then(
      (exitCode) => {
        queue.push({ payload: { $case: 'exited', value: { exitCode } } });
        queue.end();
      },
      (error: unknown) => queue.fail(error),
    );
    for await (const { payload, taken } of queue) {
      yield { payload };
      taken?.();
    }
  } finally {
    exec.dispose();
  }
}

async function firstFrame(frames: AsyncIterator<ExecRequest>): Promise<ExecOpen> {
  const first = await frames.next();
  if (first.done !== true && first.value.payload?.$case === 'open') return first.value.payload.value;
  throw invalidRequest('The first message must say what is to be run.');
}

/** Until the client ends its side, which ends the input too. */
async function takeInput(exec: EngineExec, frames: AsyncIterator<ExecRequest>): Promise<void> {
  for (let next = await frames.next(); next.done !== true; next = await frames.next()) {
    const { payload } = next.value;
    switch (payload?.$case) {
      case 'input':
        await exec.write(payload.value);
        break;
      case 'resize':
        await exec.resize(payload.value.cols, payload.value.rows);
        break;
      case 'endOfInput':
        exec.endInput();
        break;
      case 'open':
        throw invalidRequest('The stream runs a command already.');
      case undefined:
        break;
    }
  }
  exec.endInput();
}
