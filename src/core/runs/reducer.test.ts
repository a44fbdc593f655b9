import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { OrchestratorEvent } from '../events/event.ts';
import { reduceRun } from './reducer.ts';
import { isRunEnded, type Run } from './run.ts';

const queued: Run = {
  id: '0190163d-8694-7123-8456-426614174000',
  sessionId: 's'.repeat(32),
  request: { task: 'a\nb' },
  status: 'queued',
  steps: [
    { index: 1, command: 'a', status: 'pending' },
    { index: 2, command: 'b', status: 'pending' },
  ],
  createdAt: 0,
  isAborting: false,
  terminalIds: [],
};

let sequence = 0;
function event(type: string, data: Record<string, unknown> = {}, time = 1_000): OrchestratorEvent {
  sequence += 1;
  return { sequence, id: 'e', type, time, runId: queued.id, data };
}

function fold(...events: OrchestratorEvent[]): Run {
  return events.reduce(reduceRun, queued);
}

const result = {
  run_id: queued.id,
  task: 'a\nb',
  status: 'failed',
  completion_reason: 'FAIL',
  outcome: 'cancelled',
  steps: [],
  grounding_prompts: {},
};
const execution = {
  exit_code: 3,
  duration_ms: 70,
  terminal_id: 't',
  output_from: 2,
  output_to: 9,
  outcome: 'failed',
};

describe('reduceRun', () => {
  it('follows a step from its start to its end', () => {
    const started = fold(event('response.in_progress', {}, 5), event('runner.step.started', { step: 1 }, 6));
    expect(started).toMatchObject({ status: 'running', startedAt: 5 });
    expect(started.steps[0]).toMatchObject({ status: 'running', startedAt: 6 });
    const grown = [
      event('runner.step.output', { step: 1, terminal_id: 't', from: 2, to: 7 }),
      event('runner.step.output', { step: 1, terminal_id: 't', from: 2, to: 5 }),
    ].reduce(reduceRun, started);
    expect(grown.steps[0]?.output).toEqual({ terminalId: 't', from: 2, to: 7 });
    const ended = [
      event('runner.step.execution.completed', { step: 1, result: execution }),
      event('runner.step.completed', { step: 1, status: 'success' }),
    ].reduce(reduceRun, grown);
    expect(ended.steps[0]).toMatchObject({
      status: 'failed',
      exitCode: 3,
      durationMs: 70,
      output: { to: 9 },
    });
  });

  it('takes the step from runner.step.completed where its execution was not told', () => {
    const run = fold(
      event('runner.step.started', { step: 1 }, 10),
      event('runner.step.completed', { step: 1, status: 'in_progress' }, 20),
      event('runner.step.completed', { step: 1, status: 'success' }, 40),
    );
    expect(run.steps[0]).toMatchObject({ status: 'succeeded', durationMs: 30 });
  });

  it('skips what was not begun and ends what was', () => {
    const run = fold(
      event('response.in_progress'),
      event('runner.step.started', { step: 1 }, 1_000),
      event('response', result),
      event('response.completed', { status: 'failed', outcome: 'cancelled' }, 1_500),
    );
    expect(run).toMatchObject({ status: 'cancelled', endedAt: 1_500, isAborting: false, result });
    expect(run.steps.map((step) => step.status)).toEqual(['cancelled', 'skipped']);
    expect(run.steps[0]?.durationMs).toBe(500);
  });

  it('tells why there is no result', () => {
    const run = fold(event('response.failed', { error: 'The shell is gone.', reason: 'shell_missing' }));
    expect(run.status).toBe('failed');
    expect(run.error).toEqual({ reason: 'shell_missing', message: 'The shell is gone.' });
  });

  it.each([
    ['completed', 'succeeded'],
    ['success', 'succeeded'],
    ['failed', 'failed'],
    ['timeout', 'timed_out'],
  ])('understands the bare contract: %s', (status, outcome) => {
    expect(fold(event('response.completed', { status })).status).toBe(outcome);
  });

  it('keeps a plan once a step has begun', () => {
    const planned = fold(event('runner.steps.planned', { commands: ['x', 'y', 'z'] }));
    expect(planned.steps.map((step) => step.command)).toEqual(['x', 'y', 'z']);
    const begun = reduceRun(planned, event('runner.step.started', { step: 1 }));
    expect(reduceRun(begun, event('runner.steps.planned', { commands: ['q'] }))).toBe(begun);
  });

  it('changes nothing for unknown types, malformed payloads and after the end', () => {
    const running = fold(event('response.in_progress'));
    const malformed: [string, Record<string, unknown>][] = [
      ['grounding.generate_coords.started', { ref_expr: 'x' }],
      ['runner.steps.planned', { commands: 'abc' }],
      ['runner.steps.planned', { commands: [] }],
      ['runner.terminal', {}],
      ['runner.shell.marks', { mode: 7 }],
      ['runner.step.started', { step: 0 }],
      ['runner.step.started', { step: 3 }],
      ['runner.step.started', { step: '1' }],
      ['runner.step.output', { step: 1, terminal_id: 't', from: 5, to: 2 }],
      ['runner.step.execution.completed', { step: 1, result: null }],
      ['runner.step.execution.completed', { step: 1, result: { outcome: 'fine' } }],
      ['response', { outcome: 'succeeded' }],
      ['response.completed', {}],
      ['run.updated', { is_aborting: 'yes' }],
    ];
    for (const [type, data] of malformed) expect(reduceRun(running, event(type, data))).toBe(running);
    const ended = reduceRun(running, event('response.completed', { status: 'success' }));
    expect(reduceRun(ended, event('response.failed', { error: 'x', reason: 'y' }))).toBe(ended);
  });

  it('never throws, never loses a step, never leaves an end', () => {
    const types = [
      'response.in_progress',
      'runner.steps.planned',
      'runner.terminal',
      'runner.shell.marks',
      'runner.step.started',
      'runner.step.output',
      'runner.step.execution.completed',
      'runner.step.completed',
      'runner.abort.requested',
      'run.updated',
      'response',
      'response.completed',
      'response.failed',
      'error',
    ];
    const data = fc.oneof(
      fc.dictionary(fc.string(), fc.jsonValue()),
      fc.record({
        step: fc.integer({ min: -1, max: 4 }),
        terminal_id: fc.oneof(fc.constant('t'), fc.jsonValue()),
        from: fc.oneof(fc.nat(9), fc.jsonValue()),
        to: fc.oneof(fc.nat(9), fc.jsonValue()),
        status: fc.constantFrom('success', 'failed', 'in_progress', 'timeout', 3),
        outcome: fc.constantFrom('succeeded', 'failed', 'cancelled', 'timed_out', null),
        result: fc.oneof(fc.constant(execution), fc.jsonValue()),
        steps: fc.jsonValue(),
        completion_reason: fc.constantFrom('DONE', 1),
      }),
    );
    const events = fc.array(fc.tuple(fc.constantFrom(...types), data, fc.nat(1_000)), { maxLength: 40 });
    fc.assert(
      fc.property(events, (list) => {
        let run = queued;
        for (const [type, payload, time] of list) {
          const next = reduceRun(run, event(type, payload, time));
          if (isRunEnded(run)) expect(next).toBe(run);
          if (isRunEnded(next)) {
            expect(next.steps.every((step) => step.status !== 'pending' && step.status !== 'running')).toBe(
              true,
            );
          }
          expect(JSON.parse(JSON.stringify(next))).toBeTruthy();
          run = next;
        }
      }),
      { numRuns: 500 },
    );
  });
});
