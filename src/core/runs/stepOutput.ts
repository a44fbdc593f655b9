import { joinBytes } from '../../base/bytes.ts';
import type { ContainerOutput } from '../containers/containerOutput.ts';
import type { EventLog } from '../events/eventLog.ts';
import type { PtyManager } from '../terminals/ptyManager.ts';
import type { TaskManager } from '../tasks/taskManager.ts';
import { invalidRequest } from '../text.ts';
import type { Run } from './run.ts';
import { readStepText } from './stepText.ts';

/** Wherever a step may have printed to. */
export interface StepOutputPlaces {
  readonly terminals: Pick<PtyManager, 'read'>;
  readonly tasks: Pick<TaskManager, 'find' | 'readOutput'>;
  readonly events: Pick<EventLog, 'read'>;
  /** Undefined where containers are out of reach. */
  readonly containers: { readonly output: Pick<ContainerOutput, 'end' | 'follow'> } | undefined;
}

export interface StepOutputPiece {
  /** Bytes of the step before `data`, those that are no longer kept included. */
  readonly position: number;
  /** None where there is no more for now. */
  readonly data: Uint8Array;
  /** Bytes that the step has printed so far. */
  readonly total: number;
}

/**
 * What a step has printed, in a terminal, with an agent or in a container, after so many bytes of it: at most `maxBytes`.
 * Error: `invalid_request` for a step that there is none of.
 */
export async function readStepOutput(
  places: StepOutputPlaces,
  run: Pick<Run, 'id' | 'steps' | 'taskReport'>,
  { step, skip, maxBytes }: { readonly step: number; readonly skip: number; readonly maxBytes: number },
): Promise<StepOutputPiece> {
  const state = run.steps[step - 1];
  if (state === undefined) throw invalidRequest(`There is no step ${step}; steps are counted from 1.`);
  const { output, taskOutput, textBytes } = state;
  if (output !== undefined) {
    const { terminalId, from, to } = output;
    const start = Math.min(from + skip, to);
    const piece = await places.terminals.read(terminalId, start, Math.min(to, start + maxBytes));
    return { position: Math.min(piece.from, to) - from, data: piece.data, total: to - from };
  }
  if (taskOutput !== undefined) {
    const { taskId, from, to } = taskOutput;
    const end = places.tasks.find(taskId)?.outputEnd ?? to;
    const chunks = end > from + skip ? places.tasks.readOutput(taskId, from + skip) : [];
    const data = joinBytes(chunks.map((chunk) => chunk.data)).subarray(0, maxBytes);
    return { position: (chunks[0]?.offset ?? from + skip) - from, data, total: end - from };
  }
  if (textBytes !== undefined) {
    const data = readStepText(places.events, run.id, step, { from: skip, maxBytes });
    return { position: skip, data, total: textBytes };
  }
  const containerId = state.containerOutput?.containerId ?? run.taskReport?.containerId;
  if (containerId !== undefined && places.containers !== undefined)
    return await containerPiece(places.containers.output, containerId, skip, maxBytes);
  return { position: skip, data: new Uint8Array(), total: 0 };
}

async function containerPiece(
  output: Pick<ContainerOutput, 'end' | 'follow'>,
  id: string,
  skip: number,
  maxBytes: number,
): Promise<StepOutputPiece> {
  const parts: Uint8Array[] = [];
  let position = skip;
  let bytes = 0;
  for await (const { offset, data } of output.follow(id, { from: skip })) {
    if (bytes === 0) position = offset;
    parts.push(data);
    bytes += data.byteLength;
    if (bytes >= maxBytes) break;
  }
  return { position, data: joinBytes(parts).subarray(0, maxBytes), total: output.end(id) };
}
