import { resolve } from 'node:path';
import { createSystemEnvironment } from '../../adapters/system/systemEnvironment.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { OrchestratorEvent } from '../../core/events/event.ts';
import { type EventQuery, isLastRunEvent, type ServingOrchestrator } from '../../core/orchestratorAccess.ts';
import type { Run, RunRequest } from '../../core/runs/run.ts';
import type { Session } from '../../core/sessions/session.ts';
import { withServing } from '../access/openAccess.ts';
import type { OpenCoreOptions } from '../composition.ts';
import type { CommandContext } from '../commandContext.ts';
import { exitCode, exitCodeOfRun } from '../exitCodes.ts';
import { dim } from '../output/dim.ts';
import { OnlcrUndo } from '../output/undoOnlcr.ts';
import { RunOutput } from '../output/runOutput.ts';
import { RunInput } from '../runInput.ts';
import { feedRunOutput } from '../runOutputFeed.ts';
import { version } from '../version.ts';

export interface RunOptions {
  /** The text of the task, one command a line. */
  readonly task: string;
  /** The steps, where the caller has them apart. */
  readonly commands: readonly string[] | undefined;
  /** That of the session when missing. */
  readonly engine: string | undefined;
  readonly cwd: string | undefined;
  readonly shell: string | undefined;
  /** Name of the session that holds the run. */
  readonly name: string | undefined;
  readonly timeoutMs: number | undefined;
  /** The terminal's bytes as they are. */
  readonly isRaw: boolean;
  /** Pass our standard input on although it is no terminal. */
  readonly forwardsInput: boolean;
  readonly model?: RunRequest['model'];
  readonly tools?: RunRequest['tools'];
  /** Of a core of our own, where none serves. */
  readonly core: Pick<OpenCoreOptions, 'modelsFile' | 'limits'>;
}

/**
 * Without a terminal of our own, the task's still has a size. 120 columns: programs that wrap or cut their output at the
 * width (test reporters, compilers) do so less than at 80, and it is the same on every machine, so that logs compare.
 */
const defaultSize = { cols: 120, rows: 30 };

/** Runs a task, shows its output as it comes and answers with its exit code. */
export function runTask(context: CommandContext, options: RunOptions): Promise<number> {
  const run = (serving: ServingOrchestrator): Promise<number> =>
    new TaskRun(context, options, serving).execute();
  return withServing(context, run, options.core);
}

class TaskRun {
  private readonly context: CommandContext;
  private readonly options: RunOptions;
  private readonly serving: ServingOrchestrator;
  private isOutputLost = false;

  constructor(context: CommandContext, options: RunOptions, serving: ServingOrchestrator) {
    this.context = context;
    this.options = options;
    this.serving = serving;
  }

  async execute(): Promise<number> {
    const { context, serving } = this;
    const run = await serving.startRun(await this.request(), ownEnvironment());
    const input = new RunInput(serving, context, this.options.forwardsInput);
    const abort = (): void => void serving.abortRun(run.id).catch(() => undefined);
    context.out.onDidClose(() => {
      this.isOutputLost = true;
      abort();
    });
    try {
      input.start(abort);
      const show = context.isJson ? this.eventPrinter() : this.outputPrinter(run);
      for await (const event of serving.readEvents(eventsOf(run.id))) {
        input.note(event);
        await show.event(event);
        if (isLastRunEvent(event)) break;
      }
      const ended = await serving.getRun(run.id);
      await show.end(ended);
      // Messages are for a terminal in its usual mode again.
      input.dispose();
      await this.conclude(ended, input.wasAborted);
      return this.isOutputLost ? exitCode.outputClosed : exitCodeOfRun(ended);
    } catch (error) {
      throw isGone(error) ? leftAlone(run.id, error) : error;
    } finally {
      input.dispose();
    }
  }

  private async request(): Promise<RunRequest> {
    const { options, context } = this;
    const { out } = context;
    const cwd = resolve(options.cwd ?? '.');
    const session = options.name === undefined ? undefined : await this.sessionNamed(options.name, cwd);
    return {
      task: options.task,
      commands: options.commands,
      engine: options.engine,
      model: options.model,
      tools: options.tools,
      sessionId: session?.id,
      cwd,
      // Ours, whoever's the orchestrator is.
      shell: options.shell ?? createSystemEnvironment({ version }).defaultShell(),
      timeoutMs: options.timeoutMs,
      cols: out.columns ?? defaultSize.cols,
      rows: out.rows ?? defaultSize.rows,
      requestedBy: 'orchestrator run',
    };
  }

  private async sessionNamed(name: string, cwd: string): Promise<Session> {
    const sessions = await this.serving.listSessions();
    const open = sessions.find((session) => session.name === name && session.state !== 'closed');
    return open ?? this.serving.createSession({ name, cwd });
  }

  private outputPrinter(run: Run): Printer {
    const { context, serving, options } = this;
    const { out, err } = context;
    // A terminal wants what a terminal gave. Anything else wants what the program wrote.
    const undo = options.isRaw || out.isTty ? undefined : new OnlcrUndo();
    let shownStep = 0;
    const output = new RunOutput({
      follow: (terminalId, sink) =>
        // Like a pipe: who reads us slowly slows the program down, and nothing is lost.
        serving.followTerminal(terminalId, { from: 0, isForeground: true }, sink),
      write: (bytes, step) => {
        if (step !== shownStep) {
          shownStep = step;
          this.showHeader(run, step);
        }
        return out.write(undo === undefined ? bytes : undo.push(bytes));
      },
      onLost: (bytes) => void err.writeLine(`orchestrator: ${bytes} bytes of the output were dropped.`),
      onError: (error) => {
        // The host or the orchestrator is gone: the run's own end, or its missing, tells it.
        if (OrchestratorError.is(error, 'process_host_lost') || isGone(error)) return;
        void err.writeLine(
          `orchestrator: the output cannot be read: ${OrchestratorError.from(error).message}`,
        );
      },
    });
    return {
      // Not waited for: it goes out as its reader takes it.
      event: (event) => {
        feedRunOutput(output, event);
        return Promise.resolve();
      },
      end: async () => {
        await output.finish();
        if (undo !== undefined) await out.write(undo.flush());
      },
    };
  }

  private eventPrinter(): Printer {
    const { out } = this.context;
    return {
      event: (event) => out.writeJson(event),
      end: (run) =>
        out.writeJson({
          type: 'result',
          runId: run.id,
          status: run.status,
          exitCode: exitCodeOfRun(run),
          result: run.result ?? null,
          error: run.error ?? null,
        }),
    };
  }

  /** Several steps, seen by a person: which one prints what follows. On standard error, so a pipe stays clean. */
  private showHeader(run: Run, step: number): void {
    const { err, isJson } = this.context;
    if (isJson || !err.isTty || run.steps.length < 2) return;
    const command = run.steps[step - 1]?.command ?? '';
    void err.write(
      dim(`[${step}/${run.steps.length}] $ ${command.replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ')}`, true) + '\r\n',
    );
  }

  private async conclude(run: Run, wasAborted: boolean): Promise<void> {
    const { err, isJson } = this.context;
    const message = wasAborted && run.status === 'cancelled' ? 'cancelled.' : endMessage(run);
    if (isJson || this.isOutputLost || message === undefined) return;
    await err.writeLine(`orchestrator: ${message}`);
  }
}

interface Printer {
  event(event: OrchestratorEvent): Promise<void>;
  /** After the last event. */
  end(run: Run): Promise<void>;
}

function eventsOf(runId: string): EventQuery {
  return { after: 0, follows: true, runId, signal: new AbortController().signal };
}

function ownEnvironment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

/** The orchestrator that runs it went away, which ends no run. */
function isGone(error: unknown): boolean {
  return OrchestratorError.is(error, 'closed');
}

function leftAlone(runId: string, cause: unknown): OrchestratorError {
  return new OrchestratorError(
    'UNAVAILABLE',
    'closed',
    `The orchestrator that runs this task is gone, or closes. The task goes on: orchestrator logs -f ${runId}`,
    { details: { runId }, cause },
  );
}

/** What the exit code alone does not tell; undefined where nothing is to be said. */
function endMessage(run: Run): string | undefined {
  if (run.error !== undefined) return run.error.message;
  switch (run.status) {
    case 'timed_out':
      return 'the time-out was reached; the task was ended.';
    case 'cancelled':
      return 'the run was aborted.';
    case 'failed': {
      const failed = run.steps.find((step) => step.status === 'failed');
      if (failed === undefined || run.steps.length < 2) return undefined;
      return `step ${failed.index} of ${run.steps.length} failed with exit code ${failed.exitCode ?? 'unknown'}.`;
    }
    default:
      return undefined;
  }
}
