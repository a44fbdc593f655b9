import { expect, it } from 'vitest';
import type { OrchestratorEvent } from '../../../core/events/event.ts';
import type { Run } from '../../../core/runs/run.ts';
import type { StreamFrame } from '../../../protocol/daemon/frames.ts';
import { EventPlanner, type PlanSource } from './eventPlan.ts';
import { readFrames } from './frameReader.ts';
import type { Audience } from './subscription.ts';

const start = Date.UTC(2024, 0, 1);

class Story {
  readonly events: OrchestratorEvent[] = [];
  readonly runs = new Map<string, Run>();

  tell(type: string, data: Record<string, unknown> = {}, scope: Partial<OrchestratorEvent> = {}): this {
    const sequence = this.events.length + 1;
    this.events.push({
      sequence,
      id: String(sequence),
      type,
      time: start + sequence * 1_000,
      sessionId: 's',
      ...scope,
      data,
    });
    return this;
  }

  run(id: string, type: string, data: Record<string, unknown> = {}): this {
    return this.tell(type, data, { runId: id });
  }

  addRun(id: string, task: string, request: Partial<Run['request']> = {}): this {
    this.runs.set(id, {
      id,
      sessionId: 's',
      request: { task, ...request },
      status: 'succeeded',
      steps: [{ index: 1, command: task, status: 'succeeded' }],
      createdAt: start,
      isAborting: false,
      terminalIds: [],
    });
    return this.run(id, 'response.created', { status: 'accepted', run_id: id });
  }

  planner(): EventPlanner {
    const source = {
      events: {
        read: ({ after, limit, sessionId, runId, terminalId }: Parameters<PlanSource['events']['read']>[0]) =>
          this.events
            .filter(
              (event) =>
                event.sequence > after &&
                (sessionId === undefined || event.sessionId === sessionId) &&
                (runId === undefined || event.runId === runId) &&
                (terminalId === undefined || event.terminalId === terminalId),
            )
            .slice(0, limit),
      },
      runs: { find: (id: string) => this.runs.get(id) },
    };
    return new EventPlanner(source as unknown as PlanSource, new WeakMap());
  }

  /** The frames of the events after a sequence, read by somebody new. */
  async frames(after = 0, isWanted: (audience: Audience) => boolean = isNoTopic): Promise<StreamFrame[]> {
    const planner = this.planner();
    const frames: StreamFrame[] = [];
    for (const event of this.events) {
      if (event.sequence <= after) continue;
      for await (const read of readFrames(places, planner.plan(event), -1, isWanted)) {
        frames.push(...read.map(({ frame }) => frame));
      }
    }
    return frames;
  }
}

const isNoTopic = ({ kind }: Audience): boolean => kind !== 'topic';
const text = new TextEncoder().encode('hello\nworld\n');
const places = {
  terminals: {
    read: (_id: string, from: number, to: number) =>
      Promise.resolve({ from, data: text.subarray(from, to), end: text.length }),
  },
  tasks: { readOutput: () => [] },
};

const ended = { status: 'success', completion_reason: 'DONE', outcome: 'succeeded' };
const agentStory = (): Story =>
  new Story()
    .tell(
      'session.created',
      { name: 'work', owner: 'user', type: 'claude-code', state: 'active', cwd: '/w' },
      { labels: { 'daemon/orchestrator-id': 'vp_123' } },
    )
    .addRun('r', 'Analyze the codebase', { taskType: 'research', priority: 'high', metadata: { a: 1 } })
    .run('r', 'response.in_progress')
    .run('r', 'runner.step.started', { step: 1 })
    .run('r', 'worker.generator.reasoning.delta', { source: 'worker.generator', step: 1, text: 'Hm.' })
    .run('r', 'worker.generator.output.delta', { source: 'worker.generator', step: 1, text: 'Here is' })
    .run('r', 'mcp.call.started', {
      step: 1,
      server: 'claude-code',
      tool: 'read_file',
      call_id: 'c1',
      arguments: { path: '/src/index.ts' },
    })
    .run('r', 'mcp.call.completed', {
      step: 1,
      server: 'claude-code',
      tool: 'read_file',
      call_id: 'c1',
      response: { content: '...' },
    })
    .run('r', 'mcp.call.failed', { step: 1, server: 'x', tool: 'bash', call_id: 'c2', error: 'denied' })
    .run('r', 'worker.generator.output.delta', {
      source: 'worker.generator',
      step: 1,
      text: ' the analysis.',
    })
    .run('r', 'runner.usage', { input_tokens: 10, output_tokens: 5, cost_usd: 0.5 })
    .run('r', 'response', {
      run_id: 'r',
      task: 'Analyze the codebase',
      ...ended,
      steps: [],
      grounding_prompts: {},
    })
    .run('r', 'response.completed', ended);

it('tells what a coding agent does in the frames of the seed', async () => {
  const frames = await agentStory().frames();
  const task = {
    id: 'r',
    type: 'research',
    description: 'Analyze the codebase',
    priority: 'high',
    createdAt: '2024-01-01T00:00:02.000Z',
  };
  expect(frames.map(({ type, seq, part }) => `${seq}.${part} ${type}`)).toEqual([
    '1.0 session_status_update',
    '2.1 session_status_update',
    '3.0 stream_start',
    '3.2 session_status_update',
    '5.0 stream_chunk',
    '6.0 stream_chunk',
    '7.0 tool_call_start',
    '8.0 tool_call_result',
    '9.0 tool_call_result',
    '10.0 stream_chunk',
    '13.0 stream_end',
    '13.1 task_completed',
    '13.3 session_status_update',
  ]);
  expect(frames[0]).toMatchObject({
    session: { status: 'initializing', orchestratorId: 'vp_123', task: { id: '' } },
  });
  expect(frames[3]).toEqual({
    type: 'session_status_update',
    seq: 3,
    part: 2,
    more: true,
    session: {
      id: 's',
      orchestratorId: 'vp_123',
      task: { ...task, status: 'in_progress', updatedAt: '2024-01-01T00:00:03.000Z' },
      type: 'claude-code',
      status: 'running',
      startedAt: '2024-01-01T00:00:01.000Z',
      memoryContext: { scratchpad: {}, episodic: [], semantic: [] },
      metrics: {
        tokensUsed: 0,
        duration: 2_000,
        tasksCompleted: 0,
        errorsEncountered: 0,
        averageResponseTime: 0,
      },
      name: 'work',
      cwd: '/w',
    },
  });
  const chunk = (index: number, type: string, chunk: string): object => ({
    data: { sessionId: 's', chunk, metadata: { type, index, taskId: 'r', step: 1 } },
  });
  expect(frames[4]).toMatchObject(chunk(0, 'thinking', 'Hm.'));
  expect(frames[5]).toMatchObject(chunk(1, 'text', 'Here is'));
  expect(frames[9]).toMatchObject(chunk(2, 'text', ' the analysis.'));
  const call = { sessionId: 's', taskId: 'r', callId: 'c1', toolName: 'read_file' };
  expect(frames[6]).toMatchObject({
    data: { ...call, toolInput: { path: '/src/index.ts' }, status: 'started' },
  });
  expect(frames[7]).toMatchObject({ data: { ...call, status: 'completed', result: { content: '...' } } });
  expect(frames[8]).toMatchObject({ data: { callId: 'c2', status: 'failed', error: 'denied' } });
  expect(frames[10]).toMatchObject({
    metadata: {
      taskId: 'r',
      finishReason: 'stop',
      usage: { inputTokens: 10, outputTokens: 5, costUsd: 0.5 },
    },
  });
  expect(frames[11]).toMatchObject({ taskId: 'r', result: { ...ended, output: 'Here is the analysis.' } });
  expect(frames[12]).toMatchObject({
    session: {
      status: 'completed',
      task: { status: 'completed' },
      metrics: { tokensUsed: 15, tasksCompleted: 1, averageResponseTime: 10_000 },
    },
  });
});

it('gives the same frames at the same places to whoever begins anywhere', async () => {
  const story = agentStory();
  const isAll = (): boolean => true;
  const whole = await story.frames(0, isAll);
  for (let after = 0; after <= story.events.length; after += 1) {
    expect(await story.frames(after, isAll)).toEqual(whole.filter(({ seq }) => seq > after));
  }
  expect(whole.filter((frame) => frame.more === undefined).map(({ seq }) => seq)).toEqual(
    story.events.map(({ sequence }) => sequence),
  );
});

it('tells what a shell prints, counts its chunks, and says why a task failed', async () => {
  const failed = { status: 'failed', completion_reason: 'FAIL', outcome: 'failed' };
  const result = {
    exit_code: 3,
    duration_ms: 1,
    terminal_id: 't',
    output_from: 0,
    output_to: 12,
    outcome: 'failed',
  };
  const steps = [{ step_index: 1, execution_result: { exit_code: 3 } }];
  const story = new Story()
    .tell('session.created', { name: 'x', type: 'shell', cwd: '/' })
    .addRun('r', 'make')
    .run('r', 'response.in_progress')
    .run('r', 'runner.step.started', { step: 1 })
    .run('r', 'runner.step.output', { step: 1, terminal_id: 't', from: 0, to: 3 })
    .run('r', 'runner.step.output', { step: 1, terminal_id: 't', from: 0, to: 8 })
    .run('r', 'runner.step.execution.completed', { step: 1, result })
    .run('r', 'response', { run_id: 'r', task: 'make', ...failed, steps, grounding_prompts: {} })
    .run('r', 'response.completed', failed)
    .addRun('q', 'sleep')
    .run('q', 'response.failed', { error: 'The process host ended.', reason: 'process_host_lost' })
    .tell('session.updated', { name: 'x', state: 'active', busy: false })
    .tell('session.updated', { name: 'x', state: 'closing' })
    .tell('session.closed', { name: 'x', state: 'closed', reason: null });
  const frames = await story.frames();
  const chunks = frames.filter((frame) => frame.type === 'stream_chunk').map(({ data }) => data);
  expect(chunks.map(({ chunk, metadata }) => [metadata.index, chunk])).toEqual([
    [0, 'hel'],
    [1, 'lo\nwo'],
    [2, 'rld\n'],
  ]);
  expect(frames.filter(({ type }) => type === 'task_failed')).toMatchObject([
    { taskId: 'r', error: 'Step 1 failed with exit code 3.', result: { output: 'hello\nworld\n' } },
    { taskId: 'q', error: 'The process host ended.' },
  ]);
  // It never began: there is no end of a stream.
  expect(frames.filter(({ type }) => type === 'stream_end')).toHaveLength(1);
  const statuses = frames.filter((frame) => frame.type === 'session_status_update');
  expect(statuses.slice(-2)).toMatchObject([
    { session: { status: 'terminated' } },
    {
      session: {
        status: 'terminated',
        endedAt: '2024-01-01T00:00:14.000Z',
        metrics: { errorsEncountered: 2 },
      },
    },
  ]);
  // That nothing runs in it any more was told with the end of the task.
  expect(statuses.some(({ seq }) => seq === 12)).toBe(false);
});

it('forgets what a removed run amounted to, as a reader after its removal would', async () => {
  const story = agentStory();
  const planner = story.planner();
  for (const event of story.events) planner.plan(event);
  story.tell('run.removed', { task: 'x' }, { runId: 'r' });
  story.runs.delete('r');
  planner.plan(story.events.at(-1) as OrchestratorEvent);
  for (let index = story.events.length - 1; index >= 0; index -= 1) {
    if (story.events[index]?.runId === 'r' && story.events[index]?.type !== 'run.removed')
      story.events.splice(index, 1);
  }
  story.events.push({
    ...(story.events[0] as OrchestratorEvent),
    sequence: 20,
    type: 'session.closed',
    data: {},
  });
  const closed = story.events.at(-1) as OrchestratorEvent;
  const read = async (reader: EventPlanner): Promise<StreamFrame[]> => {
    const frames: StreamFrame[] = [];
    for await (const part of readFrames(places, reader.plan(closed), -1, isNoTopic)) {
      frames.push(...part.map(({ frame }) => frame));
    }
    return frames;
  };
  const live = await read(planner);
  const later = story.planner();
  for (const event of story.events.slice(0, -1)) later.plan(event);
  expect(live).toEqual(await read(later));
  expect(live).toMatchObject([{ session: { metrics: { tasksCompleted: 0, tokensUsed: 0 } } }]);
});
