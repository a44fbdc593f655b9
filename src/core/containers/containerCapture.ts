import type { Disposable } from '../../base/disposable.ts';
import type { ContainerEngine, EngineStream, OutputStream } from '../ports/containerEngine.ts';
import type { ContainerRecord } from '../ports/containerRecords.ts';

export interface CaptureOptions {
  readonly engine: ContainerEngine;
  readonly record: ContainerRecord;
  readonly containerId: string;
  readonly tty: boolean;
  readonly now: () => number;
  readonly onRecorded: () => void;
  /** The last byte was recorded; or it was not, and the error says why. */
  readonly onEnd: (error: Error | undefined) => void;
}

/**
 * Writes down what a container prints. `attach` is live, and loses nothing where it is there before the container
 * starts. `resume` asks the engine for what it has kept from the first byte on and leaves out what is recorded: of
 * each stream the engine keeps the very bytes in their order, so how many of them are here says where to go on.
 */
export class ContainerCapture implements Disposable {
  readonly ended: Promise<void>;
  private readonly options: CaptureOptions;
  private readonly resolveEnded: () => void;
  private stream: EngineStream | undefined;
  private skip: Record<OutputStream, number> = { stdout: 0, stderr: 0 };
  private isOver = false;

  constructor(options: CaptureOptions) {
    this.options = options;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.resolveEnded = resolve;
  }

  async attach(): Promise<void> {
    const { engine, containerId, tty } = this.options;
    this.hold(await engine.attach(containerId, { tty }, this.sink));
  }

  async resume(): Promise<void> {
    const { engine, containerId, tty, record } = this.options;
    this.skip = { ...record.streamEnds };
    this.hold(await engine.followLogs(containerId, { tty }, this.sink));
  }

  /** Ends it without telling `onEnd`. */
  dispose(): void {
    this.isOver = true;
    this.stream?.dispose();
    this.resolveEnded();
  }

  private readonly sink = {
    onData: (stream: OutputStream, data: Uint8Array): void => {
      if (this.isOver) return;
      const known = Math.min(this.skip[stream], data.length);
      this.skip[stream] -= known;
      if (known === data.length) return;
      this.options.record.append(stream, data.subarray(known), this.options.now());
      this.options.onRecorded();
    },
    onEnd: (error?: Error): void => {
      if (this.isOver) return;
      this.isOver = true;
      this.resolveEnded();
      this.options.onEnd(error);
    },
  };

  private hold(stream: EngineStream): void {
    this.stream = stream;
    if (this.isOver) stream.dispose();
  }
}
