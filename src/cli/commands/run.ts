import { resolve } from 'node:path';
import { OrchestratorError } from '../../base/errors.ts';
import { workerExitedType } from '../../core/ports/processHost.ts';
import type { Run, RunRequest } from '../../core/runs/run.ts';
import type { Session } from '../../core/sessions/session.ts';
import type { CommandContext } from '../commandContext.ts';
import { type Core, openCore } from '../composition.ts';
import { exitCode, exitCodeOfRun } from '../exitCodes.ts';
import { dim } from '../output/dim.ts';
import { OnlcrUndo } from '../output/undoOnlcr.ts';
import { RunOutput } from '../output/runOutput.ts';
import { RunInput } from '../runInput.ts';
import { followRunOutput, isLastRunEvent } from '../runOutputFeed.ts';

export interface RunOptions {
  /** The text of the task, one command a line. */
  readonly task: string;
  /** The steps, where the caller has them apart. */
  readonly commands: readonly string[] | undefined;
  readonly cwd: string | undefined;
  readonly shell: string | undefined;
  /** Name of the session that holds the run. */
  readonly name: string | undefined;
  readonly timeoutMs: number | undefined;
  /** The terminal's bytes as they are. */
  readonly isRaw: boolean;
  /** Pass our standard input on although it is no terminal. */
  readonly forwardsInput: boolean;
}

/**
 * Without a terminal of our own, the task's still has a size. 120 columns: programs that wrap or cut their output at the
 * width (test reporters, compilers) do so less than at 80, and it is the same on every machine, so that logs compare.
 */
const defaultSize = { cols: 120, rows: 30 };

/** Runs a task, shows its output as it comes and answers with its exit code. */
export async function runTask(context: CommandContext, options: RunOptions): Promise<number> {
  const core = await openCore({ stateDir: context.stateDir, kind: 'run', logger: context.logger });
  try {
    return await new TaskRun(context, options, core).execute();
  } finally {
    await core.close({ endIdleHost: true });
  }
}

class TaskRun {
  private readonly context: CommandContext;
  private readonly options: RunOptions;
  private readonly core: Core;
  private isOutputLost = false;

  constructor(context: CommandContext, options: RunOptions, core: Core) {
    this.context = context;
    this.options = options;
    this.core = core;
  }

  async execute(): Promise<number> {
    const { context, core } = this;
    const { orchestrator } = core;
    if (core.recoveredFrom !== undefined) {
      void context.err.writeLine(
        `orchestrator: the database was broken; it is kept as ${core.recoveredFrom}.`,
      );
    }
    const failures = orchestrator.onDidFail(
      (error) => void context.err.writeLine(`orchestrator: ${error.message}`),
    );
    const after = orchestrator.events.lastSequence;
    const run = await orchestrator.runs.start(await this.request());
    const workerExited = this.workerExit(run.id);
    const input = new RunInput(orchestrator, run.id, context, this.options.forwardsInput);
    const abort = (): void => void orchestrator.runs.abort(run.id).catch(() => undefined);
    context.out.onDidClose(() => {
      this.isOutputLost = true;
      abort();
    });
    try {
      input.start(abort);
      const shown = context.isJson ? this.printEvents(run.id, after) : this.printOutput(run.id, after);
      const ended = await orchestrator.runs.waitForEnd(run.id);
      await shown(ended);
      // Messages are for a terminal in its usual mode again.
      input.dispose();
      await this.conclude(ended, input.wasAborted);
      // Only then the process host is idle and can go.
      if (orchestrator.runs.executor.workerCount > 0) await workerExited;
      return this.isOutputLost ? exitCode.outputClosed : exitCodeOfRun(ended);
    } finally {
      input.dispose();
      failures.dispose();
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
      sessionId: session?.id,
      cwd,
      shell: options.shell,
      timeoutMs: options.timeoutMs,
      cols: out.columns ?? defaultSize.cols,
      rows: out.rows ?? defaultSize.rows,
      requestedBy: 'orchestrator run',
    };
  }

  private async sessionNamed(name: string, cwd: string): Promise<Session> {
    const { sessions } = this.core.orchestrator;
    return sessions.list().find((session) => session.name === name) ?? sessions.create({ name, cwd });
  }

  /** @returns what is to be awaited once the run has ended. */
  private printOutput(runId: string, after: number): (run: Run) => Promise<void> {
    const { context, core, options } = this;
    const { orchestrator } = core;
    const { out, err } = context;
    // A terminal wants what a terminal gave. Anything else wants what the program wrote.
    const undo = options.isRaw || out.isTty ? undefined : new OnlcrUndo();
    let shownStep = 0;
    const output = new RunOutput({
      follow: (terminalId, sink) =>
        // Like a pipe: who reads us slowly slows the program down, and nothing is lost.
        orchestrator.terminals.follow(terminalId, { from: 0, isForeground: true }, sink),
      write: (bytes, step) => {
        if (step !== shownStep) {
          shownStep = step;
          this.showHeader(orchestrator.runs.get(runId), step);
        }
        return out.write(undo === undefined ? bytes : undo.push(bytes));
      },
      onLost: (bytes) => void err.writeLine(`orchestrator: ${bytes} bytes of the output were dropped.`),
      onError: (error) => {
        // The host is gone: the run's own end tells it.
        if (OrchestratorError.is(error, 'process_host_lost')) return;
        void err.writeLine(
          `orchestrator: the output cannot be read: ${OrchestratorError.from(error).message}`,
        );
      },
    });
    const feed = followRunOutput(orchestrator.events, runId, after, output);
    return async () => {
      feed.dispose();
      await output.finish();
      if (undo !== undefined) await out.write(undo.flush());
    };
  }

  private printEvents(runId: string, after: number): (run: Run) => Promise<void> {
    const { out } = this.context;
    const { events } = this.core.orchestrator;
    const printed = (async () => {
      for await (const event of events.follow({ after, runId })) {
        await out.writeJson(event);
        if (isLastRunEvent(event)) return;
      }
    })();
    return async (run) => {
      await printed;
      await out.writeJson({
        type: 'result',
        runId,
        status: run.status,
        exitCode: exitCodeOfRun(run),
        result: run.result ?? null,
        error: run.error ?? null,
      });
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

  /** Resolves when the run's worker is gone. */
  private workerExit(runId: string): Promise<void> {
    const { orchestrator } = this.core;
    const { promise, resolve } = Promise.withResolvers<void>();
    const { processHost } = orchestrator;
    const listening = processHost.onDidReceiveWorkerEvent((event) => {
      if (event.workerId === runId && event.type === workerExitedType) resolve();
    });
    const connection = processHost.onDidChangeConnection(({ state }) => {
      if (state === 'lost') resolve();
    });
    return promise.finally(() => {
      listening.dispose();
      connection.dispose();
    });
  }
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
