import { describe, expect, it } from 'vitest';
import type { AgentTask, TaskState } from '../../../core/tasks/task.ts';
import { checkTaskRequest } from '../../../core/tasks/taskRequest.ts';
import {
  ExecuteTaskRequest,
  ListTasksRequest,
  TaskError,
  TaskPriority,
  TaskResult,
  TaskState as TaskStateMessage,
  TaskType,
} from '../../../protocol/gen/agent/v1/agent.ts';
import {
  createRequestOf,
  errorOf,
  resultOf,
  taskFilterOf,
  taskMessage,
  taskStateMessage,
  taskStateOf,
} from './taskMessages.ts';

const request = ExecuteTaskRequest.fromPartial({
  agentId: 'a1',
  sessionId: 's1',
  type: TaskType.TASK_TYPE_CODE_EXECUTION,
  priority: TaskPriority.TASK_PRIORITY_HIGH,
  config: {
    command: 'python',
    arguments: ['-u', 'x.py'],
    environment: { A: 'b' },
    workingDirectory: '/work',
    timeoutNs: 2_000_000_000n,
    maxRetries: 3n,
    retryOnFailure: true,
    inputData: Buffer.from('in'),
    parameters: { p: 'q' },
    constraints: {
      maxMemoryBytes: 1n,
      maxCpuNs: 2_000_000n,
      maxExecutionTimeNs: 3_000_000n,
      allowedOperations: ['read'],
      deniedOperations: ['write'],
    },
  },
});

function taskOf(message: ExecuteTaskRequest, more: Partial<AgentTask> = {}): AgentTask {
  return {
    id: 't1',
    ...checkTaskRequest(createRequestOf(message)),
    sessionId: message.sessionId,
    state: 'pending',
    agentId: null,
    attempt: 0,
    failures: 0,
    deliveries: 0,
    createdAt: 1_000,
    progress: 0,
    inputEnd: 2,
    outputEnd: 0,
    ...more,
  };
}

describe('a task', () => {
  it('comes back as it was given', () => {
    expect(taskMessage(taskOf(request), request.config?.inputData)).toMatchObject({
      id: 't1',
      name: 'python',
      sessionId: 's1',
      agentId: 'a1',
      type: request.type,
      priority: request.priority,
      state: TaskStateMessage.TASK_STATE_PENDING,
      createdAt: new Date(1_000),
      startedAt: undefined,
      config: request.config,
    });
  });

  it.each(Object.values(TaskType))('keeps its type %i', (type) => {
    expect(taskMessage(taskOf({ ...request, type })).type).toBe(type);
  });

  it.each(Object.values(TaskPriority))(
    'keeps its priority %i, which is normal where none is given',
    (priority) => {
      const wanted = priority === 0 ? TaskPriority.TASK_PRIORITY_NORMAL : priority;
      expect(taskMessage(taskOf({ ...request, priority })).priority).toBe(wanted);
    },
  );

  it('has a number for each state, and a state for each number but that of paused', () => {
    const states: TaskState[] = [
      'pending',
      'queued',
      'running',
      'completed',
      'failed',
      'cancelled',
      'timed_out',
    ];
    expect(states.map(taskStateMessage)).toEqual([1, 2, 3, 5, 6, 7, 8]);
    expect(states.map((state) => taskStateOf(taskStateMessage(state)))).toEqual(states);
    expect(taskStateOf(TaskStateMessage.TASK_STATE_UNSPECIFIED)).toBeUndefined();
    expect(() => taskStateOf(TaskStateMessage.TASK_STATE_PAUSED)).toThrow('state has no value 4');
  });

  it('is for one agent, for any of a name, or for any that can do it', () => {
    const targetOf = (agentId: string) => createRequestOf({ ...request, agentId }).target;
    expect(targetOf('a1')).toEqual({ agentId: 'a1' });
    expect(targetOf('agent:a:b')).toEqual({ agentName: 'a:b' });
    expect(targetOf('capability:code-execution')).toEqual({ capability: 'code-execution' });
  });

  it.each([
    [{ agentId: '' }, 'agent_id is required'],
    [{ sessionId: '' }, 'session_id is required'],
    [{ config: undefined }, 'config is required'],
    [{ type: 99 as TaskType }, 'type has no value 99'],
  ])('is refused with %o', (change, message) => {
    expect(() => createRequestOf({ ...request, ...change })).toThrow(message);
  });

  it('that has ended shows its result, its error and its times', () => {
    const result = {
      exitCode: 2,
      outputText: 'out',
      errorText: 'err',
      metadata: { m: 'n' },
      durationMs: 1.5,
    };
    const error = { code: 'EXIT_CODE', message: 'why', details: ['d'], time: 4_000 };
    const ended = taskOf(request, {
      state: 'failed',
      agentId: 'a2',
      startedAt: 2_000,
      endedAt: 3_000,
      expiresAt: 5_000,
      progress: 0.5,
      result,
      error,
    });
    expect(taskMessage(ended)).toMatchObject({
      agentId: 'a2',
      progress: 0.5,
      startedAt: new Date(2_000),
      completedAt: new Date(3_000),
      expiresAt: new Date(5_000),
      result: { exitCode: 2, outputText: 'out', errorText: 'err', metadata: { m: 'n' } },
      error: { code: 'EXIT_CODE', message: 'why', details: ['d'], occurredAt: new Date(4_000) },
    });
  });
});

describe('what an agent reports', () => {
  it('of a result is taken whole, bytes where there is no text', () => {
    expect(resultOf(undefined)).toEqual({});
    const message = TaskResult.fromPartial({
      exitCode: 1,
      outputData: Buffer.from('grüße'),
      errorText: 'e',
      metadata: { a: 'b' },
      executionDurationNs: 2_500_000n,
    });
    expect(resultOf(message)).toEqual({
      exitCode: 1,
      outputText: 'grüße',
      errorText: 'e',
      metadata: { a: 'b' },
      durationMs: 3,
    });
    expect(resultOf(TaskResult.fromPartial({ outputText: 't' }))).not.toHaveProperty('durationMs');
  });

  it('of an error is never empty', () => {
    const stackTrace = 'at x';
    const given = TaskError.fromPartial({
      code: 'E',
      message: 'm',
      details: ['d'],
      stackTrace,
      occurredAt: new Date(7),
    });
    expect(errorOf(given)).toEqual({ code: 'E', message: 'm', details: ['d', 'at x'], time: 7 });
    expect(errorOf(TaskError.fromPartial({}))).toEqual({
      code: 'UNKNOWN',
      message: 'The agent did not say why.',
      details: [],
    });
  });
});

describe('a filter', () => {
  const filterOf = (filter: NonNullable<Parameters<typeof ListTasksRequest.fromPartial>[0]['filter']>) =>
    taskFilterOf(ListTasksRequest.fromPartial({ agentId: 'a1', filter }));

  it('is honoured in all its parts', () => {
    expect(
      filterOf({
        state: TaskStateMessage.TASK_STATE_TIMEOUT,
        type: TaskType.TASK_TYPE_CUSTOM,
        priority: TaskPriority.TASK_PRIORITY_CRITICAL,
        sessionId: 's1',
        createdAfter: new Date(1),
        createdBefore: new Date(2),
      }),
    ).toEqual({
      agentId: 'a1',
      state: 'timed_out',
      type: 'custom',
      priority: 'critical',
      sessionId: 's1',
      createdAfter: 1,
      createdBefore: 2,
    });
  });

  it('for paused tasks finds none, and none at all finds all', () => {
    expect(filterOf({ state: TaskStateMessage.TASK_STATE_PAUSED })).toBeUndefined();
    expect(taskFilterOf(ListTasksRequest.fromPartial({}))).toEqual({ agentId: undefined });
  });
});
