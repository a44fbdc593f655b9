import { expect, it } from 'vitest';
import type { OrchestratorEvent } from '../../../core/events/event.ts';
import type { Run } from '../../../core/runs/run.ts';
import { FrameParser } from '../../../clients/runStream/frameParser.ts';
import type { OutputPlaces } from '../../daemon/stream/outputText.ts';
import { RunFrames } from './runFrames.ts';

const printed = new TextEncoder().encode(`${'x'.repeat(40_000)}€ end`);
const places: OutputPlaces = {
  terminals: { read: () => Promise.reject(new Error('no terminal is asked')) },
  tasks: { readOutput: () => [] },
  containers: {
    output: {
      async *follow(_id, { from = 0 } = {}) {
        yield await Promise.resolve({
          offset: from,
          stream: 'stdout',
          time: 0,
          data: printed.subarray(from),
        } as const);
      },
    },
  },
};
const run: Run = {
  id: 'r',
  sessionId: 's',
  request: { task: 'print much', engine: 'container' },
  status: 'failed',
  steps: [{ index: 1, command: 'print much', status: 'failed' }],
  createdAt: 0,
  isAborting: false,
  terminalIds: [],
};

/** The log of a run that was lost: sequences 10, 20, 30 … as others' events are in between. */
const events: readonly OrchestratorEvent[] = [
  ['response.created', { status: 'accepted', run_id: 'r' }],
  ['response.in_progress', { status: 'running', run_id: 'r' }],
  ['runner.step.started', { step: 1 }],
  ['runner.container.output', { step: 1, container_id: 'c', from: 0, to: 0 }],
  ['runner.container.output', { step: 1, container_id: 'c', from: 0, to: 40_001 }],
  ['runner.container.output', { step: 1, container_id: 'c', from: 0, to: printed.length }],
  ['odd name\n!', { text: 'a\u2028b\nc' }],
  ['response.failed', { error: 'gone', reason: 'process_host_lost' }],
  ['error', { error: 'gone', reason: 'process_host_lost' }],
].map(([type, data], index) => ({
  sequence: 10 * (index + 1),
  id: String(index),
  type: type as string,
  time: 1_000 * index,
  sessionId: 's',
  runId: 'r',
  data: data as Record<string, unknown>,
}));

async function framesBehind(id: string): Promise<unknown[]> {
  const [sequence = 0, part] = id.split('.').map(Number);
  const frames = new RunFrames(places, () => run);
  let text = '';
  for (const event of events) {
    if (event.sequence < sequence || (event.sequence === sequence && part === undefined)) frames.skip(event);
    else
      for await (const some of frames.framesOf(event, event.sequence === sequence ? part : undefined))
        text += some;
  }
  return new FrameParser().push(new TextEncoder().encode(text));
}

it('what a container prints comes as text in pieces, with every character whole', async () => {
  const frames = await framesBehind('0');
  const output = (frames as { event: string; id: string; data: { offset: number; text: string } }[]).filter(
    ({ event }) => event === 'runner.container.output',
  );
  expect(output.map(({ id, data }) => [id, data.offset, data.text.length])).toEqual([
    ['40', 0, 0],
    ['50.0', 0, 32 * 1024],
    ['50', 32 * 1024, 40_000 - 32 * 1024],
    ['60', 40_001, 5],
  ]);
  expect(output.map(({ data }) => data.text).join('')).toBe(new TextDecoder().decode(printed));
});

it('a run that failed without a result gets one of its steps, before the failure', async () => {
  const frames = (await framesBehind('60')) as { event: string; id: string; data: Record<string, unknown> }[];
  expect(frames.map(({ event, id }) => [event, id])).toEqual([
    ['odd_name', '70'],
    ['response', '80.0'],
    ['response.failed', '80'],
    ['error', '90'],
  ]);
  expect(frames[0]?.data).toEqual({ text: 'a\u2028b\nc' });
  expect(frames[1]?.data).toMatchObject({
    status: 'failed',
    completion_reason: 'FAIL',
    steps: [{ step_index: 1 }],
  });
});

it('behind each frame come exactly those after it', async () => {
  const all = (await framesBehind('0')) as { id: string }[];
  for (const [index, { id }] of all.entries())
    expect(await framesBehind(id), id).toEqual(all.slice(index + 1));
});
