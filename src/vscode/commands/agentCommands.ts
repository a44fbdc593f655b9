import * as vscode from 'vscode';
import type { Agent } from '../../core/agents/agent.ts';
import type { Orchestrator } from '../../core/orchestrator.ts';
import { type AgentTask, isTaskEnded } from '../../core/tasks/task.ts';
import { commandIds } from '../contributions/ids.ts';
import { confirm } from '../ui/problems.ts';
import { agentIcon, describeAgent, describeTask } from '../views/agentRows.ts';
import { count, oneLine } from '../views/format.ts';
import type { CommandArguments, CommandHandler } from './context.ts';
import { showRun, startRun } from './startRun.ts';
import { hasTarget, pick, targetIds } from './targets.ts';

/**
 * Asks for an agent and a task, and runs it. With `{agent, task, sessionId?}` as its argument nothing is asked, and the
 * run's id is the answer.
 */
const runTaskOnAgent: CommandHandler = async (context, args) => {
  const { orchestrator } = await context.ready();
  const request = isAgentRequest(args[0]) ? args[0] : await askRequest(args, orchestrator);
  if (request === undefined) return undefined;
  const { agent, task, sessionId } = request;
  const run = await startRun(context, { task, sessionId, engine: `agent:${agent}` });
  await showRun(context, run.id, { isOnDemand: false });
  return run.id;
};

interface AgentRequest {
  /** A name: any agent that has it may do the task. */
  readonly agent: string;
  readonly task: string;
  readonly sessionId?: string;
}

function isAgentRequest(value: unknown): value is AgentRequest {
  if (typeof value !== 'object' || value === null || !('agent' in value) || !('task' in value)) return false;
  if (typeof value.agent !== 'string' || typeof value.task !== 'string') return false;
  return !('sessionId' in value) || value.sessionId === undefined || typeof value.sessionId === 'string';
}

async function askRequest(
  args: CommandArguments,
  orchestrator: Orchestrator,
): Promise<AgentRequest | undefined> {
  const [agent] = await askAgents(args, orchestrator, {
    title: 'Run a task on which agent?',
    none: 'No agent is connected. Agents register over gRPC; the socket is named in the log and in docs/grpc.md.',
    accepts: ({ state }) => state === 'online',
  });
  if (agent === undefined) return undefined;
  const task = await vscode.window.showInputBox({
    title: `Run task on ${agent.name}`,
    prompt: 'What the agent is to do: it gets the text as it is',
    ignoreFocusOut: true,
    validateInput: (text) => (text.trim() === '' ? 'The task must not be empty.' : undefined),
  });
  return task === undefined ? undefined : { agent: agent.name, task };
}

const cancelTask: CommandHandler = async (context, args) => {
  const { orchestrator } = await context.ready();
  const tasks = await askTasks(args, orchestrator);
  const what = tasksText(tasks);
  if (what === undefined) return;
  const detail = 'Its agent is told to stop. Output up to then is kept.';
  if (!(await confirm(`Cancel ${what}?`, detail, 'Cancel Task'))) return;
  for (const { id } of tasks) orchestrator.tasks.cancel(id, 'by the user');
};

const forgetAgent: CommandHandler = async (context, args) => {
  const { orchestrator } = await context.ready();
  const agents = await askAgents(args, orchestrator, {
    title: 'Forget which agent?',
    none: 'There is no agent.',
    accepts: () => true,
  });
  const [first] = agents;
  if (first === undefined) return;
  const what = agents.length === 1 ? `the agent "${first.name}"` : count(agents.length, 'agent');
  const tasks = agents.reduce((sum, { id }) => sum + orchestrator.agents.status(id).activeTasks.length, 0);
  const lost =
    tasks === 0
      ? 'It has nothing to do.'
      : `${count(tasks, 'task')} that it has fails, or goes to another agent where it may be tried again.`;
  const detail = `${lost} Its process is left alone and may register again.`;
  if (!(await confirm(`Forget ${what}?`, detail, 'Forget'))) return;
  for (const { id } of agents) orchestrator.agents.unregister(id, 'forgotten by the user');
};

/** What a click on a task shows: the run that it carries out, or what it has printed. */
const showTask: CommandHandler = async (context, args) => {
  const { orchestrator } = await context.ready();
  const ids = typeof args[0] === 'string' ? [args[0]] : targetIds(args, 'task');
  for (const task of ids.flatMap((id) => orchestrator.tasks.find(id) ?? [])) {
    if (task.runId === undefined) await context.documents.open({ task });
    else await showRun(context, task.runId, { isOnDemand: true });
  }
};

interface AgentQuestion {
  readonly title: string;
  readonly none: string;
  readonly accepts: (agent: Agent) => boolean;
}

async function askAgents(
  args: CommandArguments,
  orchestrator: Orchestrator,
  { title, none, accepts }: AgentQuestion,
): Promise<Agent[]> {
  const { agents } = orchestrator;
  if (hasTarget(args))
    return targetIds(args, 'agent')
      .flatMap((id) => agents.find(id) ?? [])
      .filter(accepts);
  const now = Date.now();
  const choices = agents
    .list()
    .filter(accepts)
    .map((agent) => {
      const status = agents.status(agent.id);
      return {
        label: agent.name,
        description: [describeAgent(status, now), agent.hostname].filter((part) => part !== '').join(' · '),
        detail: agent.capabilities.tasks.join(', '),
        iconPath: new vscode.ThemeIcon(agentIcon(status).id),
        value: agent,
      };
    });
  const picked = await pick(title, choices, none);
  return picked === undefined ? [] : [picked];
}

async function askTasks(args: CommandArguments, { tasks, agents }: Orchestrator): Promise<AgentTask[]> {
  if (hasTarget(args)) {
    return targetIds(args, 'task')
      .flatMap((id) => tasks.find(id) ?? [])
      .filter((task) => !isTaskEnded(task));
  }
  const now = Date.now();
  const choices = tasks.active().map((task) => ({
    label: oneLine(task.name, 60),
    description: [describeTask(task, now), agents.find(task.agentId ?? '')?.name]
      .filter((part) => part !== undefined)
      .join(' · '),
    iconPath: new vscode.ThemeIcon('circle-outline'),
    value: task,
  }));
  const picked = await pick('Cancel which task?', choices, 'No agent has a task.');
  return picked === undefined ? [] : [picked];
}

function tasksText(tasks: readonly AgentTask[]): string | undefined {
  const [first] = tasks;
  if (first === undefined) return undefined;
  return tasks.length === 1 ? `the task "${oneLine(first.name, 60)}"` : count(tasks.length, 'task');
}

export const agentCommands = {
  [commandIds.runTaskOnAgent]: runTaskOnAgent,
  [commandIds.cancelTask]: cancelTask,
  [commandIds.forgetAgent]: forgetAgent,
  [commandIds.showTask]: showTask,
};
