/** One of our output streams, with an end that is told instead of thrown. */
export class OutputWriter {
  readonly isTty: boolean;
  private readonly stream: NodeJS.WriteStream;
  private readonly closed: Promise<void>;
  private closeListeners: () => void = () => undefined;
  private _isClosed = false;

  constructor(stream: NodeJS.WriteStream) {
    this.stream = stream;
    this.isTty = stream.isTTY;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.closeListeners = resolve;
    // EPIPE: who read us has gone (`orchestrator run … | head`). Others (a full disk) are the same to us: no more output.
    stream.on('error', () => {
      this._isClosed = true;
      this.closeListeners();
    });
  }

  /** Whether nobody reads any more. Writing is still allowed and does nothing. */
  get isClosed(): boolean {
    return this._isClosed;
  }

  /** Columns of the terminal, undefined where it is none. */
  get columns(): number | undefined {
    return this.isTty ? this.stream.columns : undefined;
  }

  get rows(): number | undefined {
    return this.isTty ? this.stream.rows : undefined;
  }

  onDidClose(listener: () => void): void {
    void this.closed.then(listener);
  }

  onDidResize(listener: () => void): { dispose(): void } {
    this.stream.on('resize', listener);
    return { dispose: () => void this.stream.off('resize', listener) };
  }

  /** Resolves once the system has taken the bytes, or nobody reads any more. Never rejects. */
  write(data: string | Uint8Array): Promise<void> {
    if (this._isClosed || data.length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.stream.write(data, () => resolve());
    });
  }

  /** Resolves once everything that was written before is taken. */
  flush(): Promise<void> {
    return new Promise((resolve) => {
      if (this._isClosed) resolve();
      else this.stream.write('', () => resolve());
    });
  }

  writeLine(line: string): Promise<void> {
    return this.write(`${line}\n`);
  }

  writeJson(value: unknown): Promise<void> {
    return this.write(`${JSON.stringify(value)}\n`);
  }
}
