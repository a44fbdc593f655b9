import { type Disposable, DisposableStore } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { CoreContext } from '../context.ts';
import { isModelRun } from '../runs/modelRuns.ts';
import { isRunEnded } from '../runs/run.ts';
import { textOf } from '../runs/runPayloads.ts';
import type { ToolCarrier } from './toolCarrier.ts';

/** A worker asks by this event, because only the core reaches containers … */
export const commandWantedType = 'runner.container.command.wanted';
/** … and is answered by this command: `data` is a `ContainerCommandDone`. */
export const commandDoneCommand = 'container_command_done';

export interface ContainerCommandDone {
  readonly request_id: string;
  readonly exit_code: number | null;
  readonly is_timed_out: boolean;
  readonly output: string;
  /** Empty where the command was run. */
  readonly error: string;
}

/**
 * Runs commands in containers of their session for models' workers. What is asked for while no core is there is not
 * answered: the worker gives it up at its time limit.
 */
export class ContainerCommands implements Disposable {
  private readonly context: CoreContext;
  private readonly carrier: Pick<ToolCarrier, 'runInContainer'>;
  private readonly disposables = new DisposableStore();
  /** Of runs that go on, by the run: ended with it. */
  private readonly endings = new Map<string, AbortController>();

  constructor(context: CoreContext, carrier: Pick<ToolCarrier, 'runInContainer'>) {
    this.context = context;
    this.carrier = carrier;
    this.disposables.add(
      context.log.onDidAppend(({ type, runId, data }) => {
        if (type === commandWantedType && runId !== undefined) void this.answer(runId, data);
      }),
    );
    this.disposables.add(
      context.log.onDidCommit(({ changes }) => {
        for (const { kind, id, value } of changes) {
          if (kind === 'run' && (value === undefined || isRunEnded(value))) this.end(id);
        }
      }),
    );
  }

  dispose(): void {
    this.disposables.dispose();
    for (const id of [...this.endings.keys()]) this.end(id);
  }

  private end(runId: string): void {
    this.endings.get(runId)?.abort();
    this.endings.delete(runId);
  }

  private async answer(runId: string, wanted: Readonly<Record<string, unknown>>): Promise<void> {
    const { state, processHost, logger } = this.context;
    const run = state.liveRuns.get(runId);
    // Nobody else's events are obeyed.
    if (run === undefined || !isModelRun(run)) return;
    const ending = this.endings.get(runId) ?? new AbortController();
    this.endings.set(runId, ending);
    const request_id = textOf(wanted, 'request_id') ?? '';
    const timeoutMs = wanted['timeout_ms'];
    let done: ContainerCommandDone;
    try {
      const command = {
        command: textOf(wanted, 'command') ?? '',
        timeoutMs: typeof timeoutMs === 'number' ? timeoutMs : 0,
      };
      const container = textOf(wanted, 'container') ?? '';
      const outcome = await this.carrier.runInContainer(run.sessionId, container, command, ending.signal);
      const { exitCode, isTimedOut, output } = outcome;
      done = { request_id, exit_code: exitCode, is_timed_out: isTimedOut, output, error: '' };
    } catch (error) {
      const { message } = OrchestratorError.from(error);
      done = { request_id, exit_code: null, is_timed_out: false, output: '', error: message };
    }
    try {
      await processHost.commandWorker(runId, { type: commandDoneCommand, data: { ...done } });
    } catch (failure) {
      // It has ended, or its host has: either ends the run.
      logger.debug(`The worker ${runId} did not hear of its command`, failure);
    }
  }
}
