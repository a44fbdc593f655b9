import { describe, expect, it } from 'vitest';
import type { AgentStatus } from '../../core/agents/agent.ts';
import { checkRegistration } from '../../core/agents/registration.ts';
import { checkTaskRequest } from '../../core/tasks/taskRequest.ts';
import type { AgentTask } from '../../core/tasks/task.ts';
import { buildAgentRows } from './agentRows.ts';

const now = new Date('2026-11-21T12:00:00').getTime();
const minute = 60_000;

function agent(id: string, overrides: Partial<AgentStatus> = {}): AgentStatus {
  const capabilities = { tasks: ['python', 'shell'], maxConcurrentTasks: 5 };
  return {
    agent: {
      id,
      state: overrides.state === 'lost' ? 'lost' : 'online',
      registeredAt: now - 60 * minute,
      ...checkRegistration({ name: `worker ${id}`, capabilities }),
    },
    state: 'idle',
    activeTasks: [],
    lastSeenAt: now,
    isConnected: true,
    ...overrides,
  };
}

function task(id: string, overrides: Partial<AgentTask> = {}): AgentTask {
  const request = { sessionId: 's1', target: { agentName: 'x' }, config: { command: `do ${id}` } };
  return {
    id,
    ...checkTaskRequest(request),
    sessionId: 's1',
    state: 'running',
    agentId: 'a',
    attempt: 1,
    failures: 0,
    deliveries: 1,
    createdAt: now - 2 * minute,
    startedAt: now - minute - 2_000,
    progress: 0,
    inputEnd: 0,
    outputEnd: 0,
    ...overrides,
  };
}

function rowsOf(agents: AgentStatus[], tasks: AgentTask[] = []) {
  const { rows, children } = buildAgentRows({ agents, tasks, now, isMotionReduced: false });
  return { children, all: [...rows.values()], row: (id: string) => rows.get(id) };
}

describe('the agents', () => {
  it('say how they are and what they can do', () => {
    const busy = agent('b', { state: 'busy', activeTasks: ['1', '2'] });
    const lost = agent('c', { state: 'lost', lastSeenAt: now - 3 * minute });
    const { all } = rowsOf([agent('a'), busy, lost]);
    expect(all.map(({ label, description }) => `${label}: ${description}`)).toEqual([
      'worker a: idle · python, shell',
      'worker b: 2 of 5 tasks · python, shell',
      'worker c: lost 3 min · python, shell',
    ]);
    expect(all.map(({ icon }) => icon.id)).toEqual(['robot', 'robot', 'debug-disconnect']);
    expect(all.map(({ context }) => context.includes('online'))).toEqual([true, true, false]);
  });

  it('have their tasks below them, with progress, and what can be done', () => {
    const running = task('1', { progress: 0.4, progressMessage: 'building\nall', runId: 'r1', outputEnd: 9 });
    const queued = task('2', { state: 'queued' });
    const ended = task('3', { state: 'failed', endedAt: now - minute });
    const { row, children } = rowsOf([agent('a')], [ended, running, queued]);
    expect(children.get('agent:a')).toEqual(['task:3:agent:a', 'task:1:agent:a', 'task:2:agent:a']);
    expect(row('task:1:agent:a')).toMatchObject({
      label: 'do 1',
      description: '40 % · building all · 1:02',
      context: 'task copyable canCancel taskRun hasOutput',
      icon: { id: 'loading~spin' },
      accessibilityLabel: 'Task do 1, running, 40 % · building all · 1:02',
    });
    expect(row('task:2:agent:a')).toMatchObject({
      description: 'queued',
      context: 'task copyable canCancel',
    });
    expect(row('task:3:agent:a')).toMatchObject({ description: 'failed · 11:59', context: 'task copyable' });
  });

  it('that a task waits for are told apart from none at all', () => {
    const bound = task('1', { state: 'pending', agentId: null, target: { agentId: 'a' } });
    const free = task('2', { state: 'pending', agentId: null });
    const again = task('3', { state: 'pending', agentId: null, retryAt: now + 1_000 });
    const gone = task('4', { state: 'completed', agentId: 'gone' });
    const { row, children } = rowsOf([agent('a')], [bound, free, again, gone]);
    expect(children.get('agent:a')).toEqual(['task:1:agent:a']);
    expect(children.get('waiting')).toEqual(['task:2:waiting', 'task:3:waiting']);
    expect(row('waiting')?.description).toBe('2 tasks');
    expect(row('task:2:waiting')?.description).toBe('waits for an agent');
    expect(row('task:3:waiting')?.description).toBe('waits for its next attempt');
    expect(rowsOf([]).all).toEqual([]);
  });
});
