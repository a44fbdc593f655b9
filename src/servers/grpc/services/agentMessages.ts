import { given } from '../../../protocol/given.ts';
import type {
  Agent,
  AgentCapabilities,
  AgentStatus,
  AgentType,
  RegisterAgentRequest,
} from '../../../core/agents/agent.ts';
import type { ResourceUsage } from '../../../core/resources.ts';
import {
  type Agent as AgentMessage,
  type AgentCapabilities as CapabilitiesMessage,
  AgentState,
  AgentType as AgentTypeMessage,
  type RegisterRequest,
} from '../../../protocol/gen/agent/v1/agent.ts';
import { type ResourceUsage as UsageMessage, Status } from '../../../protocol/gen/common/v1/common.ts';
import { limitsMessage, limitsOf, usageMessage, wordOf } from './commonMessages.ts';
import { dateOf } from './values.ts';

const types: Readonly<Record<AgentType, AgentTypeMessage>> = {
  unspecified: AgentTypeMessage.AGENT_TYPE_UNSPECIFIED,
  orchestrator: AgentTypeMessage.AGENT_TYPE_ORCHESTRATOR,
  gateway: AgentTypeMessage.AGENT_TYPE_GATEWAY,
  worker: AgentTypeMessage.AGENT_TYPE_WORKER,
  tool: AgentTypeMessage.AGENT_TYPE_TOOL,
  monitor: AgentTypeMessage.AGENT_TYPE_MONITOR,
};

/** One that is lost is over for whoever asks: it has to be heard again, or to register anew. */
const states: Readonly<Record<AgentStatus['state'], AgentState>> = {
  idle: AgentState.AGENT_STATE_IDLE,
  busy: AgentState.AGENT_STATE_BUSY,
  lost: AgentState.AGENT_STATE_TERMINATED,
};

const statuses: Readonly<Record<Agent['state'], Status>> = {
  online: Status.STATUS_RUNNING,
  lost: Status.STATUS_UNKNOWN,
};

export function agentMessage(status: AgentStatus): AgentMessage {
  const { agent, activeTasks, lastSeenAt, resources } = status;
  const { id, name, version, description, labels, owner, tags, hostname, pid } = agent;
  return {
    id,
    name,
    type: types[agent.type],
    state: states[status.state],
    status: statuses[agent.state],
    registeredAt: dateOf(agent.registeredAt),
    lastHeartbeat: dateOf(lastSeenAt),
    metadata: { version, description, labels: { ...labels }, ownerId: owner, tags: [...tags], hostname, pid },
    capabilities: capabilitiesMessage(agent.capabilities),
    resources: usageMessage(resources),
    activeTasks: [...activeTasks],
  };
}

export function capabilitiesMessage(capabilities: AgentCapabilities): CapabilitiesMessage {
  const { tasks, tools, resourceLimits, protocols } = capabilities;
  return {
    supportedTasks: [...tasks],
    supportedTools: [...tools],
    maxConcurrentTasks: capabilities.maxConcurrentTasks,
    resourceLimits: resourceLimits && limitsMessage(resourceLimits),
    supportsStreaming: capabilities.supportsStreaming,
    supportsCancellation: capabilities.supportsCancellation,
    supportedProtocols: [...protocols],
  };
}

/** Error: `invalid_request`. */
export function registrationOf(message: RegisterRequest): RegisterAgentRequest {
  const { name, type, metadata, capabilities } = message;
  return {
    name,
    type: wordOf(types, type, 'type'),
    version: metadata?.version,
    description: metadata?.description,
    labels: metadata?.labels,
    owner: metadata && given(metadata.ownerId),
    tags: metadata?.tags,
    hostname: metadata?.hostname,
    pid: metadata?.pid,
    capabilities: capabilities && capabilitiesOf(capabilities),
  };
}

export function usageOf(message: UsageMessage | undefined): ResourceUsage | undefined {
  if (message === undefined) return undefined;
  return {
    cpuPercent: message.cpuPercent,
    memoryPercent: message.memoryPercent,
    memoryUsage: Number(message.memoryUsage),
    memoryLimit: Number(message.memoryLimit),
    networkRx: Number(message.networkRx),
    networkTx: Number(message.networkTx),
    blockRead: Number(message.blockRead),
    blockWrite: Number(message.blockWrite),
    pidsCount: Number(message.pidsCount),
  };
}

/** What several agents can do together: who gives a task to any of them can count on that. */
export function joinCapabilities(agents: readonly Agent[]): AgentCapabilities {
  const all = agents.map(({ capabilities }) => capabilities);
  const limits = all.flatMap(({ resourceLimits }) => (resourceLimits === undefined ? [] : [resourceLimits]));
  const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
  const distinct = (texts: readonly string[]): string[] => [...new Set(texts)].sort();
  return {
    tasks: distinct(all.flatMap(({ tasks }) => tasks)),
    tools: distinct(all.flatMap(({ tools }) => tools)),
    maxConcurrentTasks: sum(all.map(({ maxConcurrentTasks }) => maxConcurrentTasks)),
    resourceLimits:
      limits.length === 0
        ? undefined
        : {
            nanoCpus: sum(limits.map(({ nanoCpus }) => nanoCpus)),
            memoryBytes: sum(limits.map(({ memoryBytes }) => memoryBytes)),
            memorySwap: sum(limits.map(({ memorySwap }) => Math.max(0, memorySwap))),
          },
    // What this server can do with a task, whoever does it.
    supportsStreaming: true,
    supportsCancellation: true,
    protocols: distinct(['grpc', 'uds', ...all.flatMap(({ protocols }) => protocols)]),
  };
}

function capabilitiesOf(message: CapabilitiesMessage): AgentCapabilities {
  const { supportedTasks, supportedTools, resourceLimits, supportedProtocols } = message;
  return {
    tasks: supportedTasks,
    tools: supportedTools,
    maxConcurrentTasks: message.maxConcurrentTasks,
    resourceLimits: resourceLimits && limitsOf(resourceLimits),
    supportsStreaming: message.supportsStreaming,
    supportsCancellation: message.supportsCancellation,
    protocols: supportedProtocols,
  };
}
