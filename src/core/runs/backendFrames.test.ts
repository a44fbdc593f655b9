import { describe, expect, it } from 'vitest';
import { pieceBytes } from '../../base/clip.ts';
import { foldStory } from '../../protocol/story/foldStory.ts';
import { emptyStory } from '../../protocol/story/story.ts';
import { BackendFrames, joinedFrames } from './backendFrames.ts';
import { foreignReaders } from './foreignReaders.ts';
import { reduceRun } from './reducer.ts';
import type { Run } from './run.ts';
import type { RunEvent } from './runEvents.ts';

const queued: Run = {
  id: 'ours',
  sessionId: 's',
  request: { task: 'x', engine: 'backend:Lab' },
  status: 'queued',
  steps: [{ index: 1, command: 'x', status: 'pending' }],
  createdAt: 0,
  isAborting: false,
  terminalIds: [],
};
const running: Run = { ...queued, status: 'running', startedAt: 0 };

/** The events of frames, and the run after them. */
function through(
  frames: readonly (readonly [string, unknown])[],
  from: Run = running,
): { readonly run: Run; readonly events: readonly RunEvent[] } {
  const mapping = new BackendFrames();
  const events: RunEvent[] = [];
  let run = from;
  for (const [event, data] of frames) {
    for (const told of mapping.eventsOf(run, { event, data })) {
      events.push(told);
      const { type } = told;
      run = reduceRun(run, { sequence: 1, id: '', type, time: 1, data: { ...told.data } });
    }
  }
  return { run, events };
}

describe('how a foreign run ends', () => {
  it.each([
    [{ status: 'success', completion_reason: 'DONE' }, 'succeeded', false],
    [{ status: 'failed', completion_reason: 'FAIL' }, 'failed', false],
    [{ status: 'timeout', completion_reason: 'MAX_STEPS_REACHED' }, 'timed_out', false],
    [{ status: 'timeout', completion_reason: 'timeout' }, 'timed_out', true],
    [{ status: 'success', completion_reason: 'no_steps' }, 'succeeded', true],
    [{ status: 'completed', completion_reason: 'clean_exit' }, 'succeeded', true],
    [{ status: 'attention', completion_reason: 'handback_to_human' }, 'failed', true],
    [{ status: 'error', completion_reason: 'task_impossible' }, 'failed', true],
    [{ status: 'nonsense' }, 'failed', true],
    [{}, 'failed', true],
    ['text', 'failed', true],
    [{ status: 'failed', completion_reason: 'FAIL', outcome: 'cancelled' }, 'cancelled', false],
  ])('%j is %s', (data, status, isForeign) => {
    const { run, events } = through([['response.completed', data]]);
    expect(run).toMatchObject({ status, result: { outcome: status, run_id: 'ours', task: 'x' } });
    expect(events.some(({ type }) => type === 'runner.foreign')).toBe(isForeign);
  });

  it('keeps what its result tells of the steps, within bounds', () => {
    const step = { step_index: 7, plan: 'p', info: { a: 1 }, exec_code: null, action_kind: 'mcp' };
    const huge = {
      plan: 'y'.repeat(10 * pieceBytes),
      execution_result: { out: 'z'.repeat(10 * pieceBytes) },
    };
    const steps = [step, 'no step', ...Array.from({ length: 2_000 }, () => huge)];
    const { run } = through([['response', { status: 'success', completion_reason: 'DONE', steps }]]);
    expect(run.result?.steps[0]).toMatchObject({
      ...{ step_index: 7, plan: 'p', exec_code: '', info: { a: 1 }, action_kind: 'mcp', reflection: null },
    });
    expect(run.result?.steps).toHaveLength(1_000);
    expect(JSON.stringify(run.result).length).toBeLessThan(2_000_000);
  });

  it('fails with what it says, and is cancelled where it was to be aborted', () => {
    const { run } = through([
      ['response', { status: 'failed', steps: [] }],
      ['response.failed', { error: 'no key', reason: 'spawn_failed' }],
      ['error', { error: 'no key' }],
    ]);
    expect(run).toMatchObject({ status: 'failed', error: { reason: 'spawn_failed', message: 'no key' } });
    expect(through([['response.failed', null]]).run.error).toEqual({
      reason: 'backend_failed',
      message: 'The run backend ended the run without saying why.',
    });
    const aborting = { ...running, isAborting: true };
    expect(through([['response.failed', { error: 'stopped' }]], aborting).run.status).toBe('cancelled');
  });
});

describe('what a foreign run tells', () => {
  it('has begun with the first thing that it does, where it does not say so', () => {
    const { events, run } = through(
      [
        ['response.created', { status: 'accepted', run_id: 'theirs' }],
        ['runner.step.started', { step: 1 }],
        ['response.in_progress', { status: 'running' }],
      ],
      queued,
    );
    expect(events.map(({ type }) => type)).toEqual(['response.in_progress', 'runner.step.started']);
    expect(events[0]?.data).toEqual({ status: 'running', run_id: 'ours' });
    expect(run.steps[0]).toMatchObject({ status: 'running' });
  });

  it('is text of the step where a terminal there printed it, without control sequences', () => {
    const { run, events } = through([
      ['runner.step.started', { step: 1 }],
      ['runner.step.output', { step: 1, terminal_id: 't', from: 0, to: 9, text: 'a\u001b[3' }],
      ['runner.step.output', { step: 1, terminal_id: 't', from: 9, to: 12, text: '1mé' }],
      [
        'runner.step.execution.completed',
        {
          step: 1,
          mode: 'controller_execute',
          result: { exit_code: 0, terminal_id: 't', output_from: 0, output_to: 12, outcome: 'succeeded' },
        },
      ],
    ]);
    expect(run.steps[0]).toMatchObject({ status: 'succeeded', exitCode: 0, textBytes: 3 });
    expect(run.steps[0]?.output).toBeUndefined();
    const told = events.map(({ type, data }, index) => ({
      ...{ ordinal: index + 1, sequence: index + 1, time: 1, type, data: { ...data } },
    }));
    expect(foldStory(emptyStory, told).entries[1]).toMatchObject({ kind: 'printed', text: 'aé' });
  });

  it('is a plain card where we have no name for it', () => {
    const { events } = through([['orchestrator.planning.completed', { target: 'mcp' }]]);
    const told = events.map(({ type, data }) => ({
      ordinal: 1,
      sequence: 1,
      time: 1,
      type,
      data: { ...data },
    }));
    expect(foldStory(emptyStory, told).entries).toMatchObject([
      { kind: 'foreign', name: 'orchestrator.planning.completed', payload: '{\n  "target": "mcp"\n}' },
    ]);
  });

  it('adds steps as they begin, and takes the name of each', () => {
    const { run } = through([
      ['runner.step.started', { step: 1 }],
      ['runner.step.completed', { step: 1, status: 'in_progress' }],
      ['runner.step.started', { step: 2 }],
      ['runner.step.agent_response', { step: 2, action: 'click', info: 'no object' }],
      ['worker.generator.output.delta', { source: 'worker.generator', text: 'hello' }],
    ]);
    expect(run.steps).toMatchObject([
      { status: 'succeeded' },
      { status: 'running', command: 'click', textBytes: 5 },
    ]);
  });

  it.each([
    ['behavior_narrator.output.delta', { text: 'hm' }, 'worker.generator.reasoning.delta'],
    ['grounding.generate_coords.started', { ref_expr: 'x' }, 'runner.foreign'],
    ['constructor', {}, 'runner.foreign'],
    ['__proto__', {}, 'runner.foreign'],
    ['terminal.created', { terminal_id: 't' }, 'runner.foreign'],
    ['runner.tools.configured', { mode: 'auto', providers: null, tools: null }, 'runner.foreign'],
    ['mcp.call.skipped', { server: 's', reason: 'a reason of its own' }, 'runner.foreign'],
    ['worker.reflection.completed', { text: 'two emitters' }, 'worker.reflection.completed'],
  ])('%s is kept as %3$s', (name, data, type) => {
    expect(through([[name, data]]).events.map((event) => event.type)).toEqual([type]);
  });

  it.each([
    'code_agent.execution.wanted',
    'runner.terminal',
    'runner.conversation',
    'runner.backend',
    'run.updated',
    'server.keepalive',
  ])('%s is not for us', (name) => {
    const data = { request_id: '1', code_type: 'bash', code: 'id', terminal_id: 't', last: 'x', run_id: 'y' };
    expect(through([[name, data]]).events).toEqual([]);
  });

  const hostile: readonly unknown[] = [
    null,
    undefined,
    7,
    'text',
    [],
    [{}],
    {},
    { step: -1 },
    { step: 1e15, status: {}, text: {}, result: [] },
    { step: 1, text: 5, action: {}, commands: [1], fields: 'abc', effective: [null], info: [], result: {} },
    { step: 1, input_tokens: -5, output_tokens: Number.MAX_VALUE, cost_usd: 'free', progress: 9, to: -1 },
    { step: 1, text: 'x'.repeat(3 * pieceBytes), plan: 'y'.repeat(3 * pieceBytes), error: '\ud800' },
    { step: 1, response: deep(2_000), arguments: deep(2_000), commands: Array(5_000).fill('x') },
  ];

  it('may have any shape: nothing throws, each event is bounded, and the story can be told', () => {
    for (const name of [...Object.keys(foreignReaders), ...otherNames]) {
      for (const data of hostile) {
        const { events } = through([[name, data]]);
        for (const event of events) {
          if (event.type !== 'response')
            expect(JSON.stringify(event.data).length).toBeLessThan(6 * pieceBytes);
        }
        const told = events.map(({ type, data: payload }, index) => ({
          ...{ ordinal: index + 1, sequence: index + 1, time: 1, type, data: { ...payload } },
        }));
        foldStory(emptyStory, told);
      }
    }
  });

  const otherNames = ['response', 'response.completed', 'response.failed', 'x.delta', 'runner.foreign', ''];
});

it('joins what one voice says in bits', () => {
  const delta = (text: string, id: string) => ({ event: 'a.delta', data: { step: 1, text }, id });
  expect(joinedFrames([delta('a', '1'), delta('b', '2'), { event: 'x', data: 1 }, delta('c', '3')])).toEqual([
    delta('ab', '2'),
    { event: 'x', data: 1 },
    delta('c', '3'),
  ]);
});

function deep(levels: number): unknown {
  let value: unknown = 'end';
  for (let level = 0; level < levels; level += 1) value = { value };
  return value;
}
