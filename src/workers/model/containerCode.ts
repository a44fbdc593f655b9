import type { Event } from '../../base/emitter.ts';
import { byteLength } from '../../base/clip.ts';
import type { IdSource } from '../../base/ids.ts';
import { type CodeOutcome, type CodeRunner, maxCodeBytes } from '../../core/models/loop/codeTool.ts';
import type { WorkerCommand } from '../../core/ports/processHost.ts';
import { type CodeDone, codeDoneCommand } from '../../core/runs/modelRunSpec.ts';
import type { EmitRunEvent } from '../../core/runs/runTeller.ts';

export interface ContainerCodeDependencies {
  readonly emit: EmitRunEvent;
  readonly onCommand: Event<WorkerCommand>;
  readonly ids: IdSource;
}

/** Has code run in the run's container by the core, whenever there is one: it makes containers, by their policy. */
export function containerCode({ emit, onCommand, ids }: ContainerCodeDependencies): CodeRunner {
  const waiting = new Map<string, (outcome: CodeOutcome) => void>();
  onCommand(({ type, data }) => {
    if (type !== codeDoneCommand || data === undefined) return;
    // Written by a core of ours.
    const { request_id, exit_code, output, error } = data as unknown as CodeDone;
    waiting.get(request_id)?.({ exitCode: exit_code, output, error });
  });
  return {
    place: 'container',
    async run({ language, code }) {
      if (byteLength(code) > maxCodeBytes) {
        return {
          exitCode: null,
          output: '',
          error: `The code is too long: at most ${maxCodeBytes} bytes are taken.`,
        };
      }
      const request_id = ids.uuidV4();
      const { promise, resolve } = Promise.withResolvers<CodeOutcome>();
      waiting.set(request_id, resolve);
      try {
        await emit('code_agent.execution.wanted', { request_id, code_type: language, code });
        return await promise;
      } finally {
        waiting.delete(request_id);
      }
    },
  };
}
