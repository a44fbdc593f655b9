import { given } from '../../../protocol/given.ts';
import { invalidRequest } from '../../../core/text.ts';
import type { Orchestrator } from '../../../core/orchestrator.ts';
import { isTaskEnded } from '../../../core/tasks/task.ts';
import { mayTouch, permissionDenied } from '../../../core/terminals/owners.ts';
import { AgentServiceDefinition, AgentState } from '../../../protocol/gen/agent/v1/agent.ts';
import { Status } from '../../../protocol/gen/common/v1/common.ts';
import { type CallContext, implement, type ServiceImplementation } from '../rpcHandlers.ts';
import {
  agentMessage,
  capabilitiesMessage,
  joinCapabilities,
  registrationOf,
  usageOf,
} from './agentMessages.ts';
import { streamAgent } from './agentStream.ts';
import { agentMessageOf } from './agentWire.ts';
import { sumUsage, usageMessage } from './commonMessages.ts';
import type { ServerFacts } from './serverFacts.ts';
import { createRequestOf, taskFilterOf, taskMessage, taskStateMessage } from './taskMessages.ts';
import { streamTask } from './taskStream.ts';
import { dateOf, required } from './values.ts';

const subsystems = ['agent_registry', 'task_manager'];
/** Of a task's input, what its own message shows. */
const shownInput = 4 * 1024 * 1024;

/** Agents and their tasks over gRPC. With an agent's rights, its own agents and the tasks of its own sessions. */
export function agentService(orchestrator: Orchestrator, facts: ServerFacts): ServiceImplementation {
  const { agents, tasks, sessions } = orchestrator;

  const checkAgent = (id: string, { principal }: CallContext): void => {
    if (!mayTouch(principal, agents.get(id).owner)) throw permissionDenied(principal, `agent ${id}`);
  };
  /** The task of its session's owner, and of its agent's. */
  const checkTask = (id: string, { principal }: CallContext): void => {
    const { sessionId, agentId } = tasks.get(id);
    const owners = [sessions.find(sessionId)?.owner, agents.find(agentId ?? '')?.owner];
    if (owners.some((owner) => mayTouch(principal, owner ?? null))) return;
    throw permissionDenied(principal, `task ${id}`);
  };

  return implement(AgentServiceDefinition, {
    register: (request, { principal }) => {
      const registration = registrationOf(request);
      const owner = registration.owner ?? principal ?? undefined;
      if (!mayTouch(principal, owner ?? null)) {
        throw permissionDenied(principal, `an agent of ${owner ?? 'the user'}`);
      }
      const { id } = agents.register({ ...registration, owner });
      return { agentId: id, agent: agentMessage(agents.status(id)), registrationToken: id };
    },
    unregister: ({ agentId, reason }, call) => {
      checkAgent(required(agentId, 'agent_id'), call);
      agents.unregister(agentId, given(reason));
      return { success: true, message: `Agent unregistered${reason === '' ? '' : `: ${reason}`}` };
    },
    heartbeat: ({ agentId, resources, activeTasks }, call) => {
      checkAgent(required(agentId, 'agent_id'), call);
      const pendingTasks = tasks.heartbeat(agentId, { resources: usageOf(resources), activeTasks });
      return { timestamp: dateOf(facts.now()), pendingTasks };
    },
    executeTask: (request, { principal }) => {
      const wanted = createRequestOf(request);
      const { owner } = sessions.get(wanted.sessionId);
      if (!mayTouch(principal, owner)) throw permissionDenied(principal, `session ${wanted.sessionId}`);
      const task = tasks.create(wanted);
      return { taskId: task.id, task: taskMessage(task, wanted.input) };
    },
    streamTask: (requests, call) => streamTask(orchestrator, (id) => checkTask(id, call), requests, call),
    cancelTask: ({ taskId, reason }, call) => {
      checkTask(required(taskId, 'task_id'), call);
      const { task, isCancelled } = tasks.cancel(taskId, reason);
      return { taskId, state: taskStateMessage(task.state), cancelled: isCancelled };
    },
    listTasks: (request) => {
      const filter = taskFilterOf(request);
      const found = filter === undefined ? [] : tasks.list(filter);
      return { tasks: found.map((task) => taskMessage(task)), totalCount: found.length };
    },
    getTaskStatus: ({ taskId }) => {
      const task = tasks.get(required(taskId, 'task_id'));
      return { task: taskMessage(task, inputOf(task.id)) };
    },
    streamAgent: (requests, call) =>
      streamAgent(orchestrator, { facts, checkAccess: (id) => checkAgent(id, call) }, requests, call),
    sendMessage: ({ agentId, message }, call) => {
      required(agentId, 'agent_id');
      if (message === undefined) throw invalidRequest('message is required');
      checkAgent(agentId, call);
      const sourceId = 'orchestrator';
      const defaults = { id: facts.newId(), time: facts.now(), sourceId, targetId: agentId };
      const sent = agentMessageOf(message, defaults);
      agents.send(agentId, sent);
      return { messageId: sent.id, timestamp: dateOf(sent.time) };
    },
    healthCheck: () => ({
      status: orchestrator.isReady ? Status.STATUS_RUNNING : Status.STATUS_STOPPING,
      version: facts.version,
      subsystems,
    }),
    getStatus: () => {
      const activeTasks = tasks.active().filter((task) => !isTaskEnded(task)).length;
      const used = agents.list({ state: 'online' }).flatMap(({ id }) => agents.status(id).resources ?? []);
      return {
        status: orchestrator.isReady ? Status.STATUS_RUNNING : Status.STATUS_STOPPING,
        state: activeTasks > 0 ? AgentState.AGENT_STATE_BUSY : AgentState.AGENT_STATE_IDLE,
        activeTasks,
        startedAt: dateOf(facts.startedAt),
        // The contract has a point in time here: so long after the epoch as the server runs.
        uptime: dateOf(facts.now() - facts.startedAt),
        resources: usageMessage(sumUsage(used)),
      };
    },
    getCapabilities: () => ({
      capabilities: capabilitiesMessage(joinCapabilities(agents.list({ state: 'online' }))),
    }),
  });

  function inputOf(id: string): Uint8Array {
    const pieces: Uint8Array[] = [];
    let length = 0;
    for (let more = true; more && length < shownInput; ) {
      const chunks = tasks.readInput(id, length);
      for (const { data } of chunks) pieces.push(data);
      length += chunks.reduce((sum, { data }) => sum + data.length, 0);
      more = chunks.length > 0;
    }
    return Buffer.concat(pieces).subarray(0, shownInput);
  }
}
