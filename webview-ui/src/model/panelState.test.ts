import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { taskLogLimit } from '../../../src/protocol/runPanel.ts';
import type { RunView, StepView, TaskLogEntry } from '../../../src/protocol/runPanel.ts';
import { BlockHeights, blockLines, visibleBlocks } from './blocks.ts';
import { Outputs } from './outputs.ts';
import type { OutputMessage } from './outputs.ts';
import { announcements, finishedSteps, initialState, openSteps, reduce } from './panelState.ts';
import type { PanelState, StateMessage } from './panelState.ts';
import { readSavedState } from './savedState.ts';

const step = (index: number, status: StepView['status'], more: Partial<StepView> = {}): StepView => ({
  index,
  command: `command ${index}`,
  status,
  outputBytes: 0,
  ...more,
});
const run = (status: RunView['status'], steps: StepView[], id = 'r1'): RunView => ({
  id,
  task: 't',
  status,
  isAborting: false,
  sessionId: 's',
  sessionName: 's',
  engine: 'shell',
  shell: 'bash',
  cwd: '/',
  createdAt: 0,
  hasStory: false,
  canReplay: true,
  steps,
});
const snapshot = (view: RunView | null): StateMessage => ({
  type: 'snapshot',
  now: 5_000,
  run: view,
  history: [],
  sessions: [],
});
const after = (...messages: StateMessage[]): PanelState =>
  messages.reduce((state, message) => reduce(state, message, 1_000), initialState);
const runMessage = (view: RunView): StateMessage => ({ type: 'run', now: 5_000, run: view });

const entries = (from: number, to: number, more: Partial<TaskLogEntry> = {}): TaskLogEntry[] =>
  Array.from({ length: to - from }, (_, i) => ({
    sequence: from + i,
    time: 0,
    kind: 'log',
    level: 'Info',
    text: `t${from + i}`,
    action: '',
    ...more,
  }));
const taskLog = (list: TaskLogEntry[], isReset = false, omitted = 0): StateMessage => ({
  type: 'taskLog',
  entries: list,
  isReset,
  omitted,
});

describe("a container task's log", () => {
  const first = snapshot(run('running', [step(1, 'running')]));

  it('grows, and keeps the newest with a count of the others', () => {
    const state = after(first, taskLog(entries(1, 3), true, 5), taskLog(entries(3, 4)));
    expect(state.taskLog.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
    expect(state.taskLogOmitted).toBe(5);
    const long = after(first, taskLog(entries(1, taskLogLimit + 1), true), taskLog(entries(5_000, 5_010)));
    expect(long.taskLog).toHaveLength(taskLogLimit);
    expect(long.taskLog[0]?.sequence).toBe(11);
    expect(long.taskLogOmitted).toBe(10);
  });

  it('has no hole where some were skipped, and begins anew with another run', () => {
    const skipped = after(first, taskLog(entries(1, 3), true), taskLog(entries(50, 52), false, 47));
    expect(skipped.taskLog.map(({ sequence }) => sequence)).toEqual([50, 51]);
    expect(skipped.taskLogOmitted).toBe(49);
    expect(reduce(skipped, first, 0).taskLog).toHaveLength(2);
    expect(reduce(skipped, snapshot(run('running', [], 'r2')), 0)).toMatchObject({
      taskLog: [],
      taskLogOmitted: 0,
    });
  });

  it('is read out as far as it is errors and results, once', () => {
    const before = after(first, taskLog(entries(1, 3), true));
    const later = reduce(
      before,
      taskLog([
        ...entries(3, 4, { kind: 'status' }),
        ...entries(4, 5, { kind: 'error', level: 'Error' }),
        ...entries(5, 6, { kind: 'result', text: 'completed' }),
      ]),
      0,
    );
    expect(announcements(before, later)).toEqual(['Error: t4.', 'Result: completed.']);
    expect(announcements(later, later)).toEqual([]);
  });
});

describe('panel state', () => {
  it('takes a snapshot as the whole truth', () => {
    const state = after(
      { type: 'problem', message: 'no', field: 'task' },
      { type: 'connection', isConnected: false },
      snapshot(run('running', [step(1, 'running')])),
    );
    expect(state).toMatchObject({ isReady: true, clockOffset: 4_000, isConnected: true, problem: undefined });
  });

  it('opens what runs or failed, folds what went well, and keeps what the person did', () => {
    const opened = (view: RunView, overrides: [number, boolean][] = []) => [
      ...openSteps({ ...after(snapshot(view)), overrides: new Map(overrides) }),
    ];
    const running = run('running', [step(1, 'succeeded'), step(2, 'running'), step(3, 'pending')]);
    expect(opened(running)).toEqual([2]);
    expect(
      opened(running, [
        [1, true],
        [2, false],
        [3, true],
      ]),
    ).toEqual([1]);
    expect(opened(run('failed', [step(1, 'succeeded'), step(2, 'timed_out'), step(3, 'skipped')]))).toEqual([
      2,
    ]);
    expect(opened(run('succeeded', [step(1, 'succeeded'), step(2, 'succeeded')]))).toEqual([2]);
  });

  it('forgets what was opened when another run comes', () => {
    const state = {
      ...after(snapshot(run('running', [step(1, 'succeeded')]))),
      overrides: new Map([[1, true]]),
    };
    expect(reduce(state, runMessage(run('running', [step(1, 'succeeded')])), 0).overrides.size).toBe(1);
    expect(reduce(state, snapshot(run('running', [], 'r2')), 0).overrides.size).toBe(0);
  });

  it('counts steps that ended, not those that never ran', () => {
    expect(finishedSteps(run('failed', [step(1, 'succeeded'), step(2, 'failed'), step(3, 'skipped')]))).toBe(
      2,
    );
  });

  it('tells a screen reader of changes, and not of the first picture', () => {
    const first = after(snapshot(run('running', [step(1, 'running'), step(2, 'pending')])));
    expect(announcements(initialState, first)).toEqual([]);
    const next = reduce(
      first,
      runMessage(run('failed', [step(1, 'failed', { exitCode: 2, durationMs: 61_000 }), step(2, 'skipped')])),
      0,
    );
    expect(announcements(first, next)).toEqual([
      'Step 1 failed, exit code 2, 1 minute 1 second.',
      'Run failed.',
    ]);
    const lost = reduce(next, { type: 'connection', isConnected: false, message: 'Gone.' }, 0);
    expect(announcements(next, lost)).toEqual(['Gone.']);
    expect(announcements(lost, lost)).toEqual([]);
  });

  it('starts afresh from saved state that it does not understand', () => {
    expect(readSavedState({ runId: 'r', overrides: [[1, true]] })).toEqual({
      runId: 'r',
      overrides: [[1, true]],
    });
    for (const bad of [undefined, null, 'x', { runId: 7 }, { overrides: [[1]] }])
      expect(readSavedState(bad)).toEqual({});
  });
});

describe('outputs', () => {
  const message = (text: string, from: number, more: Partial<OutputMessage> = {}): OutputMessage => ({
    type: 'output',
    step: 1,
    from,
    to: from + Buffer.byteLength(text),
    text,
    isReset: false,
    omittedBytes: 0,
    ...more,
  });
  const shown = (outputs: Outputs): string[] => {
    outputs.drain(() => false);
    const { buffer } = outputs.get(1)!;
    return Array.from(
      { length: buffer.endLine - buffer.firstLine },
      (_, i) => buffer.line(buffer.firstLine + i)!.text,
    );
  };

  it('joins what comes, drops what came before, and says what is missing', () => {
    const outputs = new Outputs();
    outputs.receive(message('aé\n', 100, { omittedBytes: 50 }));
    outputs.receive(message('aé\n', 100));
    outputs.receive(message('é\nb\n', 101));
    outputs.receive(message('c\n', 2_106));
    expect(shown(outputs)).toEqual(['aé', 'b', '2.0 KB of output are not shown here', 'c']);
    expect(outputs.get(1)).toMatchObject({ end: 2_108, omittedBytes: 50, receivedBytes: 2_058 });
    outputs.receive(message('new\n', 0, { isReset: true }));
    expect(shown(outputs)).toEqual(['new']);
  });

  it('stops when its time is up, goes on later, and is bounded while nobody looks', () => {
    const outputs = new Outputs();
    outputs.receive(message('x\n'.repeat(100_000), 0));
    let pieces = 0;
    outputs.drain(() => ++pieces === 2);
    expect(outputs.hasPending).toBe(true);
    let from = 200_000;
    for (let i = 0; i < 30; i++) {
      outputs.receive(message('y\n'.repeat(500_000), from));
      from += 1_000_000;
    }
    expect(shown(outputs).at(-1)).toBe('y');
    expect(outputs.get(1)!.omittedBytes).toBeGreaterThan(20_000_000);
  });
});

describe('blocks', () => {
  it('covers what is visible and adds up to the whole, for any lines', () => {
    fc.assert(
      fc.property(
        fc.nat(500),
        fc.array(fc.nat(300), { maxLength: 400 }),
        fc.nat(9_000),
        fc.integer({ min: 1, max: 2_000 }),
        (firstLine, lengths, top, height) => {
          const lines = {
            firstLine,
            endLine: firstLine + lengths.length,
            line: (number: number) => ({ text: 'x'.repeat(lengths[number - firstLine] ?? 0) }),
          };
          const heights = new BlockHeights();
          heights.setMetrics({ lineHeight: 10, columns: 40 });
          const whole = heights.offsetOf(lines.endLine, lines);
          const { from, to, before, after: below } = visibleBlocks(heights, lines, top, top + height);
          let shown = 0;
          for (let block = from; block < to; block++) shown += heights.height(block, lines);
          expect(before + shown + below).toBe(whole);
          if (top < whole) {
            expect(before).toBeLessThanOrEqual(top);
            expect(before + shown).toBeGreaterThanOrEqual(Math.min(whole, top + height));
            expect(shown).toBeLessThanOrEqual(height + 2 * blockLines * 80);
          }
        },
      ),
    );
  });
});
