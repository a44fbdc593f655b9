import type { AgentStatus } from '../../core/agents/agent.ts';
import { type AgentTask, boundAgent, isTaskEnded } from '../../core/tasks/task.ts';
import { count, formatAge, formatElapsed, formatTime, oneLine } from './format.ts';
import { type Row, type RowIcon, type RowTree, RowTreeBuilder, statusIcon } from './rows.ts';

export interface AgentRowsInput {
  /** In the order of their registration. */
  readonly agents: readonly AgentStatus[];
  /** Those that go on, and the latest ended ones, oldest first. */
  readonly tasks: readonly AgentTask[];
  readonly now: number;
  /** Nothing spins. */
  readonly isMotionReduced: boolean;
}

/** Agents, under each its tasks, and last the tasks that no agent has yet. */
export function buildAgentRows(input: AgentRowsInput): RowTree {
  const tree = new RowTreeBuilder();
  const ids = new Set(input.agents.map(({ agent }) => agent.id));
  const byAgent = Map.groupBy(input.tasks, (task) => {
    const id = task.agentId ?? boundAgent(task);
    return id !== undefined && ids.has(id) ? id : undefined;
  });
  for (const status of input.agents) {
    const tasks = byAgent.get(status.agent.id) ?? [];
    const row = agentRow(status, input.now);
    tree.add(row);
    for (const task of tasks) tree.add(taskRow(task, row.id, input));
  }
  const waiting = (byAgent.get(undefined) ?? []).filter((task) => !isTaskEnded(task));
  if (waiting.length > 0) {
    const row = waitingRow(waiting.length);
    tree.add(row);
    for (const task of waiting) tree.add(taskRow(task, row.id, input));
  }
  return tree;
}

/** `40 % · building · 1:02`, `queued`, `waits for an agent`, `failed · 08:14`: how a task is. */
export function describeTask(task: AgentTask, now: number): string {
  const { state, progress, progressMessage, startedAt, endedAt = task.createdAt } = task;
  switch (state) {
    case 'pending':
      return task.retryAt === undefined ? 'waits for an agent' : 'waits for its next attempt';
    case 'queued':
      return 'queued';
    case 'running': {
      // In a narrow side bar only the first word is seen: how far it is says that it runs.
      const share = progress > 0 ? `${Math.round(progress * 100)} %` : 'running';
      const message = progressMessage === undefined ? [] : [oneLine(progressMessage, 60)];
      const elapsed = startedAt === undefined ? [] : [formatElapsed(now - startedAt)];
      return [share, ...message, ...elapsed].join(' · ');
    }
    case 'completed':
      return `succeeded · ${formatTime(endedAt, now)}`;
    case 'failed':
      return `failed · ${formatTime(endedAt, now)}`;
    case 'cancelled':
      return `cancelled · ${formatTime(endedAt, now)}`;
    case 'timed_out':
      return `timed out · ${formatTime(endedAt, now)}`;
  }
}

/** `2 of 5 tasks`, `idle`, `lost 3 min`. */
export function describeAgent({ agent, state, activeTasks, lastSeenAt }: AgentStatus, now: number): string {
  switch (state) {
    case 'idle':
      return 'idle';
    case 'busy':
      return `${activeTasks.length} of ${count(agent.capabilities.maxConcurrentTasks, 'task')}`;
    case 'lost': {
      const age = formatAge(now - lastSeenAt);
      return age === 'just now' ? 'lost' : `lost ${age}`;
    }
  }
}

export function agentIcon({ state }: AgentStatus): RowIcon {
  switch (state) {
    case 'idle':
      return { id: 'robot' };
    case 'busy':
      return { id: 'robot', color: 'charts.blue' };
    case 'lost':
      return { id: 'debug-disconnect', color: 'list.warningForeground' };
  }
}

function agentRow(status: AgentStatus, now: number): Row {
  const { agent, state } = status;
  const canDo = agent.capabilities.tasks.length === 0 ? [] : [agent.capabilities.tasks.join(', ')];
  const description = [describeAgent(status, now), ...canDo].join(' · ');
  return {
    id: `agent:${agent.id}`,
    kind: 'agent',
    targetId: agent.id,
    label: agent.name,
    description,
    icon: agentIcon(status),
    context: `agent copyable${state === 'lost' ? '' : ' online'}`,
    // Even without tasks: VS Code would keep it folded when its first one comes.
    expansion: 'expanded',
    accessibilityLabel: `Agent ${agent.name}, ${description}`,
  };
}

function waitingRow(amount: number): Row {
  return {
    id: 'waiting',
    kind: 'waiting',
    targetId: '',
    label: 'Waiting for an agent',
    description: count(amount, 'task'),
    icon: { id: 'watch' },
    context: 'waiting',
    expansion: 'expanded',
    accessibilityLabel: `Waiting for an agent, ${count(amount, 'task')}`,
  };
}

function taskRow(task: AgentTask, parentId: string, { now, isMotionReduced }: AgentRowsInput): Row {
  const tokens = ['task', 'copyable'];
  if (!isTaskEnded(task)) tokens.push('canCancel');
  if (task.runId !== undefined) tokens.push('taskRun');
  if (task.outputEnd > 0) tokens.push('hasOutput');
  // How far it is must be seen beside it in a narrow side bar; the tooltip has the whole.
  const label = oneLine(task.name, 24);
  const description = describeTask(task, now);
  const isCounted = task.state === 'running' && task.progress > 0;
  return {
    // A task may go from one agent to the next.
    id: `task:${task.id}:${parentId}`,
    kind: 'task',
    targetId: task.id,
    parentId,
    label,
    description,
    icon: taskIcon(task, isMotionReduced),
    context: tokens.join(' '),
    expansion: 'none',
    accessibilityLabel: `Task ${label}, ${isCounted ? 'running, ' : ''}${description}`,
  };
}

function taskIcon({ state }: AgentTask, isMotionReduced: boolean): RowIcon {
  switch (state) {
    case 'pending':
      return statusIcon('queued', isMotionReduced);
    case 'completed':
      return statusIcon('succeeded', isMotionReduced);
    default:
      return statusIcon(state, isMotionReduced);
  }
}
