import { PlainText } from '../../core/terminals/plainText.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { StreamFrame } from '../../clients/runStream/frameParser.ts';
import type { RunBackend } from '../../clients/runStream/runBackend.ts';
import { abortRun } from '../../clients/runStream/runCalls.ts';
import { streamLostEvent, streamRun } from '../../clients/runStream/runStream.ts';
import { invalidRequest } from '../../core/text.ts';
import { backendOf } from '../backendFlags.ts';
import type { RunFlags } from '../runFlags.ts';
import type { CommandContext } from '../commandContext.ts';
import { exitCode } from '../exitCodes.ts';
import { taskOf } from '../taskOf.ts';

/** How long a server may take to end a run that was aborted, in milliseconds. */
const abortPatienceMs = 12_000;

/** Runs a task on any server of contract 004, shows what it prints and says, and answers with its outcome. */
export async function runOnBackend(
  context: CommandContext,
  flags: RunFlags,
  words: readonly string[],
): Promise<number> {
  for (const name of ['name', 'shell', 'stdin'] as const) {
    if (flags[name] !== undefined) throw invalidRequest(`--${name} is of no meaning with --backend.`);
  }
  const { task } = taskOf({
    words,
    task: flags.task,
    steps: flags.step,
    shell: '/bin/sh',
    engine: flags.engine,
  });
  const payload = {
    task,
    ...(flags.engine === undefined ? {} : { worker: { engine_params: { engine_type: flags.engine } } }),
    ...(flags.cwd === undefined ? {} : { cwd: flags.cwd }),
    ...(flags.timeout === undefined ? {} : { timeout_ms: flags.timeout }),
  };
  return new BackendRun(context, backendOf(flags, process.env), flags.raw === true).execute(payload);
}

class BackendRun {
  private readonly context: CommandContext;
  private readonly backend: RunBackend;
  /** What others print is shown, not obeyed: control sequences only where a person asks for them. */
  private readonly plain: PlainText | undefined;
  private readonly stop = new AbortController();
  private runId: string | undefined;
  private isAborting = false;
  private failedStepCode: number | undefined;
  private code: number = exitCode.error;

  constructor(context: CommandContext, backend: RunBackend, isRaw: boolean) {
    this.context = context;
    this.backend = backend;
    this.plain = isRaw ? undefined : new PlainText({ keepColour: context.out.isTty });
  }

  async execute(payload: Readonly<Record<string, unknown>>): Promise<number> {
    const { out } = this.context;
    const onSignal = (): void => this.abort();
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
    for (const signal of signals) process.on(signal, onSignal);
    out.onDidClose(onSignal);
    try {
      for await (const frame of streamRun(this.backend, payload, { signal: this.stop.signal })) {
        await this.show(frame);
      }
      if (this.plain !== undefined) await out.write(this.plain.flush());
    } catch (error) {
      if (!OrchestratorError.is(error, 'aborted')) throw error;
      this.code = exitCode.cancelled;
    } finally {
      for (const signal of signals) process.off(signal, onSignal);
    }
    return out.isClosed ? exitCode.outputClosed : this.code;
  }

  /** Asks the server; where it cannot, or a second time, nobody waits any more, and the run is left alone. */
  private abort(): void {
    if (this.isAborting || this.runId === undefined) {
      this.stop.abort();
      return;
    }
    this.isAborting = true;
    const patience = setTimeout(() => this.stop.abort(), abortPatienceMs).unref();
    abortRun(this.backend, this.runId).catch((error: unknown) => {
      clearTimeout(patience);
      void this.tell(
        `the server did not abort the run, which may go on: ${OrchestratorError.from(error).message}`,
      );
      this.stop.abort();
    });
  }

  private async show(frame: StreamFrame): Promise<void> {
    const data = recordOf(frame.data);
    if (this.context.isJson) await this.context.out.writeJson(frame);
    switch (frame.event) {
      case 'response.created':
        if (typeof data['run_id'] === 'string') this.runId = data['run_id'];
        break;
      case 'runner.step.output':
      case 'runner.task.output':
      case 'runner.container.output':
      case 'worker.generator.output.delta':
        await this.print(data['text']);
        break;
      case 'runner.step.execution.completed': {
        const { exit_code: exit } = recordOf(data['result']);
        if (typeof exit === 'number' && exit !== 0) this.failedStepCode = exit;
        break;
      }
      case 'response.completed':
        this.code = this.codeOf(data['outcome'] ?? data['status']);
        break;
      case 'response.failed':
      case streamLostEvent:
        this.code = exitCode.error;
        await this.tell(
          typeof data['error'] === 'string' ? data['error'] : 'the run failed without saying why.',
        );
        break;
      default:
        break;
    }
  }

  private async print(text: unknown): Promise<void> {
    const { out, isJson } = this.context;
    if (isJson || typeof text !== 'string') return;
    await out.write(this.plain === undefined ? text : this.plain.push(new TextEncoder().encode(text)));
  }

  private async tell(message: string): Promise<void> {
    const text = new PlainText().push(new TextEncoder().encode(`${message}\n`));
    if (!this.context.isJson) await this.context.err.write(`orchestrator: ${text}`);
  }

  /** `completed` is what the contract's source says after an operator's interrupt. */
  private codeOf(outcome: unknown): number {
    switch (outcome) {
      case 'succeeded':
      case 'success':
      case 'completed':
        return exitCode.ok;
      case 'timed_out':
      case 'timeout':
        return exitCode.timedOut;
      case 'cancelled':
        return exitCode.cancelled;
      default:
        // A process's code is one byte to whoever waits for it, and a failure must not look like success.
        return (this.failedStepCode ?? exitCode.error) & 0xff || exitCode.error;
    }
  }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}
