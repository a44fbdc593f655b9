import type { Clock } from '../../base/clock.ts';
import type { Event } from '../../base/emitter.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { IdSource } from '../../base/ids.ts';
import type { WorkerCommand } from '../../core/ports/processHost.ts';
import type { EmitRunEvent } from '../../core/runs/runTeller.ts';
import type { ContainerCommandRunner } from '../../core/tools/builtInTools.ts';
import { commandDoneCommand, type ContainerCommandDone } from '../../core/tools/containerCommands.ts';

export interface ContainerCommandsOptions {
  readonly emit: EmitRunEvent;
  readonly onCommand: Event<WorkerCommand>;
  readonly clock: Clock;
  readonly ids: IdSource;
}

/** What the core gets beyond the command's own time to answer, in milliseconds. */
const answerGraceMs = 10_000;

/** Has commands run in containers of the session by the core. */
export function createContainerCommands(options: ContainerCommandsOptions): ContainerCommandRunner {
  const { emit, onCommand, clock, ids } = options;
  const waiting = new Map<string, (done: ContainerCommandDone) => void>();
  onCommand(({ type, data }) => {
    if (type !== commandDoneCommand || data === undefined) return;
    // Written by a core of ours.
    const done = data as unknown as ContainerCommandDone;
    waiting.get(done.request_id)?.(done);
  });
  return {
    async run(container, { command, timeoutMs }, signal) {
      signal.throwIfAborted();
      const request_id = ids.uuidV4();
      const { promise, resolve, reject } = Promise.withResolvers<ContainerCommandDone>();
      waiting.set(request_id, resolve);
      const stop = (): void => reject(new OrchestratorError('CANCELLED', 'aborted', 'It was stopped.'));
      signal.addEventListener('abort', stop, { once: true });
      const timer = clock.setTimer(timeoutMs + answerGraceMs, () => {
        const message = 'The orchestrator did not answer in time: it may have been started anew.';
        reject(new OrchestratorError('DEADLINE_EXCEEDED', 'tool_failed', message));
      });
      try {
        await emit('runner.container.command.wanted', {
          request_id,
          container,
          command,
          timeout_ms: timeoutMs,
        });
        const { exit_code, is_timed_out, output, error } = await promise;
        if (error !== '') throw new OrchestratorError('FAILED_PRECONDITION', 'tool_failed', error);
        return { exitCode: exit_code, isTimedOut: is_timed_out, output };
      } finally {
        timer.dispose();
        signal.removeEventListener('abort', stop);
        waiting.delete(request_id);
      }
    },
  };
}
