import { OrchestratorError } from '../../base/errors.ts';
import { isTerminalEvent } from '../../protocol/orchestrate.ts';
import { defaultFrameLimits, type FrameLimits, FrameParser, type StreamFrame } from './frameParser.ts';
import { askBackend, type RunBackend, unreachable } from './runBackend.ts';

/**
 * The last event where the stream broke off and cannot be taken up again: `{error, run_id}`. Of the run nothing is known
 * from then on; the server may still carry it out.
 */
export const streamLostEvent = 'client.stream.lost';

export interface RunStreamOptions {
  /** Ends it; the run goes on. */
  readonly signal?: AbortSignal | undefined;
  /** So long nothing comes from a server that is there, in milliseconds: three of its keep-alives. Default: 45 s. */
  readonly silenceMs?: number | undefined;
  /** Between attempts to take it up again, in milliseconds, one after the other; the last one goes on … */
  readonly retryDelaysMs?: readonly number[] | undefined;
  /** … until so long nothing has come, in milliseconds. Default: 60 s. */
  readonly giveUpMs?: number | undefined;
  readonly limits?: FrameLimits | undefined;
  /** The server's connection is lost, or there again. */
  readonly onConnection?: ((state: 'connected' | 'reconnecting') => void) | undefined;
  /** The server's own id of the run is known: by its header `X-Run-Id`, or by `response.created`. */
  readonly onRunId?: ((runId: string) => void) | undefined;
}

const defaultSilenceMs = 45_000;
const defaultRetryDelaysMs = [0, 250, 500, 1_000, 2_000, 4_000];
const defaultGiveUpMs = 60_000;

/**
 * Starts a run and yields its events to the last one (`response.completed`; `error`, or the end, after
 * `response.failed`). Where the server gives its events ids, a connection that breaks is taken up again without gap and
 * without double; where it does not, `client.stream.lost` is the last. Errors: `unauthenticated`, `permission_denied`,
 * `invalid_request` as the server says it, `closed` where it does not answer, `aborted`, `protocol_violation`.
 */
export async function* streamRun(
  backend: RunBackend,
  payload: Readonly<Record<string, unknown>>,
  options: RunStreamOptions = {},
): AsyncGenerator<StreamFrame, void, undefined> {
  const open = (signal: AbortSignal): Promise<Response> =>
    askBackend(backend, {
      method: 'POST',
      path: '/orchestrate/stream',
      headers: { Accept: 'text/event-stream' },
      body: payload,
      signal,
    });
  yield* new RunStreamReader(backend, options).read(open);
}

/** The events of a run that is there, behind one of them or from the first on. Errors: those of `streamRun`, `run_not_found`. */
export async function* followRun(
  backend: RunBackend,
  runId: string,
  options: RunStreamOptions & { readonly after?: string | undefined } = {},
): AsyncGenerator<StreamFrame, void, undefined> {
  const reader = new RunStreamReader(backend, options, { runId, lastId: options.after });
  yield* reader.read((signal) => reader.reopen(signal));
}

interface Position {
  readonly runId?: string | undefined;
  readonly lastId?: string | undefined;
}

class RunStreamReader {
  private readonly backend: RunBackend;
  private readonly options: RunStreamOptions;
  private runId: string | undefined;
  private lastId: string | undefined;
  private hasFailed = false;
  private isOver = false;

  constructor(backend: RunBackend, options: RunStreamOptions, { runId, lastId }: Position = {}) {
    this.backend = backend;
    this.options = options;
    this.runId = runId;
    this.lastId = lastId;
  }

  async *read(
    first: (signal: AbortSignal) => Promise<Response>,
  ): AsyncGenerator<StreamFrame, void, undefined> {
    const { options } = this;
    const { retryDelaysMs = defaultRetryDelaysMs, giveUpMs = defaultGiveUpMs, onConnection } = options;
    let open = first;
    let attempt = 0;
    let lostAt: number | undefined;
    for (;;) {
      let problem: OrchestratorError | undefined;
      try {
        for await (const frame of this.readOnce(open)) {
          if (lostAt !== undefined) onConnection?.('connected');
          lostAt = undefined;
          attempt = 0;
          yield frame;
        }
      } catch (error) {
        problem = OrchestratorError.from(error);
        // Nothing was begun, or a person has to do something.
        if (open === first || mustBeTold(problem)) throw problem;
        if (!isPassing(problem)) {
          yield this.lost(problem);
          return;
        }
      }
      // After `response.failed`, all that was still to come is said with it.
      if (this.isOver || this.hasFailed) return;
      if (this.runId === undefined || this.lastId === undefined) {
        yield this.lost(problem);
        return;
      }
      if (lostAt === undefined) onConnection?.('reconnecting');
      lostAt ??= Date.now();
      if (Date.now() - lostAt > giveUpMs) {
        yield this.lost(problem);
        return;
      }
      await this.pause(retryDelaysMs[Math.min(attempt, retryDelaysMs.length - 1)] ?? 0);
      attempt += 1;
      open = (signal) => this.reopen(signal);
    }
  }

  /** The run's events behind the last one that came. */
  reopen(signal: AbortSignal): Promise<Response> {
    return askBackend(this.backend, {
      method: 'GET',
      path: `/orchestrate/runs/${encodeURIComponent(this.runId ?? '')}/events`,
      headers: {
        Accept: 'text/event-stream',
        ...(this.lastId === undefined ? {} : { 'Last-Event-ID': this.lastId }),
      },
      signal,
    });
  }

  /** One connection. Ends without an error where it just ends or breaks off. */
  private async *readOnce(
    open: (signal: AbortSignal) => Promise<Response>,
  ): AsyncGenerator<StreamFrame, void, undefined> {
    const { signal, silenceMs = defaultSilenceMs, limits = defaultFrameLimits } = this.options;
    const silent = new AbortController();
    let timer = setTimeout(() => silent.abort(), silenceMs);
    const stop = signal === undefined ? silent.signal : AbortSignal.any([signal, silent.signal]);
    const parser = new FrameParser(limits);
    try {
      const response = await this.openWithin(open, stop);
      // Everything was behind the place that we named.
      if (response.status === 204) this.isOver = true;
      this.noteRunId(response.headers.get('x-run-id') ?? undefined);
      if (response.body === null) return;
      const reader = response.body.getReader();
      try {
        for (;;) {
          const bytes = await readChunk(reader);
          clearTimeout(timer);
          timer = setTimeout(() => silent.abort(), silenceMs);
          const frames = bytes === undefined ? parser.end() : parser.push(bytes);
          for (const frame of frames) {
            this.note(frame);
            yield frame;
            if (this.isOver) return;
          }
          if (bytes === undefined) break;
        }
      } finally {
        await reader.cancel().catch(() => undefined);
      }
      this.checkNotAborted();
    } finally {
      clearTimeout(timer);
      silent.abort();
    }
  }

  private async openWithin(
    open: (signal: AbortSignal) => Promise<Response>,
    stop: AbortSignal,
  ): Promise<Response> {
    try {
      return await open(stop);
    } catch (error) {
      this.checkNotAborted();
      // What gave it up was the silence.
      if (OrchestratorError.is(error, 'aborted')) throw unreachable(this.backend, error);
      throw error;
    }
  }

  private note({ event, data, id }: StreamFrame): void {
    if (id !== undefined && id !== '') this.lastId = id;
    if (event === 'response.created' && typeof data === 'object' && data !== null && 'run_id' in data) {
      if (typeof data.run_id === 'string') this.noteRunId(data.run_id);
    }
    if (event === 'response.failed') this.hasFailed = true;
    // Whatever the server still says of itself, the run has ended.
    if ((isTerminalEvent(event) && !this.hasFailed) || (event === 'error' && this.hasFailed))
      this.isOver = true;
  }

  private noteRunId(runId: string | undefined): void {
    if (runId === undefined || this.runId !== undefined) return;
    this.runId = runId;
    this.options.onRunId?.(runId);
  }

  private lost(problem: OrchestratorError | undefined): StreamFrame {
    const error =
      'The connection to the server broke off before the run had ended, and cannot be taken up again.' +
      (problem === undefined ? '' : ` ${problem.message}`);
    return { event: streamLostEvent, data: { error, run_id: this.runId ?? null } };
  }

  private async pause(ms: number): Promise<void> {
    const { signal } = this.options;
    await new Promise<void>((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', finish);
        resolve();
      };
      const timer = setTimeout(finish, ms);
      signal?.addEventListener('abort', finish);
      if (signal?.aborted === true) finish();
    });
    this.checkNotAborted();
  }

  private checkNotAborted(): void {
    if (this.options.signal?.aborted !== true) return;
    throw new OrchestratorError('CANCELLED', 'aborted', 'The stream was given up.');
  }
}

/** Undefined at the end, and where the connection breaks off: what came is what there is. */
async function readChunk(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<Uint8Array | undefined> {
  try {
    const { done, value } = await reader.read();
    return done ? undefined : value;
  } catch {
    return undefined;
  }
}

function mustBeTold({ code, reason }: OrchestratorError): boolean {
  return code === 'UNAUTHENTICATED' || code === 'PERMISSION_DENIED' || reason === 'protocol_violation';
}

/** Worth another attempt. */
function isPassing({ code }: OrchestratorError): boolean {
  return code === 'UNAVAILABLE' || code === 'RESOURCE_EXHAUSTED';
}
