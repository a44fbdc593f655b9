import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type Dockerode from 'dockerode';
import type { EngineExec, EngineInput, ExecSpec, StreamSink } from '../../core/ports/containerEngine.ts';
import { engineError, statusOf } from './engineErrors.ts';
import { pumpOutput } from './outputPump.ts';

/**
 * The engine keeps back a key that may begin these, and by its own choice that is Ctrl+P, which shells need. Nobody
 * types these four.
 */
export const detachKeys = 'ctrl-@,ctrl-_,ctrl-@,ctrl-_';

/** What is typed into a container: its standard input, or that of a command in it. */
export function inputOf(stream: Duplex): EngineInput {
  // What it might send is of no interest, but it must be taken for the connection to be seen ending.
  stream.resume();
  stream.on('error', () => stream.destroy());
  return { write: (data) => writeTo(stream, data), dispose: () => stream.destroy() };
}

function writeTo(stream: Duplex, data: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(data, (error) => {
      if (error === undefined || error === null) resolve();
      else reject(engineError(error, 'pass on the input'));
    });
  });
}

/** Resolves once the command runs. */
export async function startExec(
  docker: Dockerode,
  id: string,
  spec: ExecSpec,
  sink: StreamSink,
): Promise<EngineExec> {
  const exec = await docker.getContainer(id).exec({
    Cmd: [...spec.command],
    Env: Object.entries(spec.env).map(([name, value]) => `${name}=${value}`),
    ...(spec.workingDir === undefined ? {} : { WorkingDir: spec.workingDir }),
    ...(spec.user === undefined ? {} : { User: spec.user }),
    Tty: spec.tty,
    AttachStdin: spec.openInput,
    AttachStdout: true,
    AttachStderr: true,
    DetachKeys: detachKeys,
  });
  const stream = await exec.start({ hijack: true, stdin: spec.openInput, Tty: spec.tty });
  const exit = Promise.withResolvers<number | undefined>();
  const readExit = async (): Promise<number | undefined> => {
    const { ExitCode } = await exec.inspect();
    return ExitCode ?? undefined;
  };
  const output = pumpOutput(stream, spec.tty, {
    onData: (name, data) => sink.onData(name, data),
    onEnd: (error) => {
      sink.onEnd(error);
      readExit().then(exit.resolve, () => exit.resolve(undefined));
    },
  });
  const resize = async (cols: number, rows: number): Promise<void> => {
    try {
      await exec.resize({ h: rows, w: cols });
    } catch (error) {
      // It has ended meanwhile: there is nothing to resize.
      if (statusOf(error) === undefined) throw engineError(error, 'resize the terminal');
    }
  };
  try {
    await hasBegun(exec);
    if (spec.tty) await resize(spec.cols, spec.rows);
  } catch (error) {
    output.dispose();
    throw error;
  }
  return {
    id: exec.id,
    write: (data) => writeTo(stream, data),
    endInput: () => void stream.end(),
    resize,
    exitCode: exit.promise,
    dispose: () => {
      output.dispose();
      exit.resolve(undefined);
    },
  };
}

/** The engine answers before the program runs. Waited for at most 5 s: it may be slow, and the output comes anyway. */
async function hasBegun(exec: Dockerode.Exec): Promise<void> {
  for (let waitedMs = 0; waitedMs < 5_000; waitedMs += 10) {
    const { Running, Pid, ExitCode } = await exec.inspect();
    if ((Running && Pid > 0) || ExitCode !== null) return;
    await delay(10);
  }
}
