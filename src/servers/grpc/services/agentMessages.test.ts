import { describe, expect, it } from 'vitest';
import type { Agent } from '../../../core/agents/agent.ts';
import { checkRegistration } from '../../../core/agents/registration.ts';
import {
  AgentCapabilities,
  AgentState,
  AgentType,
  RegisterRequest,
} from '../../../protocol/gen/agent/v1/agent.ts';
import { ResourceUsage, Status } from '../../../protocol/gen/common/v1/common.ts';
import { usageMessage } from './commonMessages.ts';
import { agentMessage, joinCapabilities, registrationOf, usageOf } from './agentMessages.ts';

const request = RegisterRequest.fromPartial({
  name: 'python-executor',
  type: AgentType.AGENT_TYPE_WORKER,
  metadata: {
    version: '1.0.0',
    description: 'runs code',
    labels: { zone: 'a' },
    ownerId: 'orchestrator:a',
    tags: ['t'],
    hostname: 'h',
    pid: '17',
  },
  capabilities: {
    supportedTasks: ['b', 'a'],
    supportedTools: ['bash'],
    maxConcurrentTasks: 5,
    resourceLimits: { nanoCpus: 1n, memoryBytes: 2n, memorySwap: -1n, pidsLimit: 4n },
    supportsStreaming: true,
    supportsCancellation: true,
    supportedProtocols: ['grpc'],
  },
});

function agentOf(message: RegisterRequest, more: Partial<Agent> = {}): Agent {
  return {
    id: 'i',
    state: 'online',
    registeredAt: 1_000,
    ...checkRegistration(registrationOf(message)),
    ...more,
  };
}

function shown(agent: Agent, state: 'idle' | 'busy' | 'lost' = 'idle') {
  return agentMessage({ agent, state, activeTasks: ['t1'], lastSeenAt: 2_000, isConnected: false });
}

describe('an agent', () => {
  it('comes back with all that it has registered with', () => {
    expect(shown(agentOf(request))).toMatchObject({
      id: 'i',
      name: request.name,
      type: request.type,
      metadata: request.metadata,
      capabilities: request.capabilities,
      registeredAt: new Date(1_000),
      lastHeartbeat: new Date(2_000),
      activeTasks: ['t1'],
    });
  });

  it.each(Object.values(AgentType))('keeps its type %i', (type) => {
    expect(shown(agentOf({ ...request, type })).type).toBe(type);
  });

  it('has a name for each of its states', () => {
    const agent = agentOf(request);
    expect(shown(agent)).toMatchObject({ state: AgentState.AGENT_STATE_IDLE, status: Status.STATUS_RUNNING });
    expect(shown(agent, 'busy').state).toBe(AgentState.AGENT_STATE_BUSY);
    expect(shown({ ...agent, state: 'lost' }, 'lost')).toMatchObject({
      state: AgentState.AGENT_STATE_TERMINATED,
      status: Status.STATUS_UNKNOWN,
    });
  });

  it('need say nothing but its name, and gets what is usual', () => {
    const message = RegisterRequest.fromPartial({ name: 'bare' });
    expect(shown(agentOf(message))).toMatchObject({
      type: AgentType.AGENT_TYPE_UNSPECIFIED,
      metadata: { version: '', ownerId: '', labels: {} },
      capabilities: { maxConcurrentTasks: 10, supportedTasks: [], resourceLimits: undefined },
    });
  });

  it('of an unknown type is refused', () => {
    expect(() => registrationOf({ ...request, type: 9 as AgentType })).toThrow('type has no value 9');
  });
});

describe('capabilities of several agents', () => {
  it('are joined, and what they can take is summed', () => {
    const other = agentOf({
      ...request,
      capabilities: AgentCapabilities.fromPartial({
        supportedTasks: ['c', 'a'],
        maxConcurrentTasks: 2,
        resourceLimits: { nanoCpus: 10n, memoryBytes: 20n, memorySwap: 30n },
        supportedProtocols: ['tcp'],
      }),
    });
    expect(joinCapabilities([agentOf(request), other])).toEqual({
      tasks: ['a', 'b', 'c'],
      tools: ['bash'],
      maxConcurrentTasks: 7,
      resourceLimits: { nanoCpus: 11, memoryBytes: 22, memorySwap: 30 },
      supportsStreaming: true,
      supportsCancellation: true,
      protocols: ['grpc', 'tcp', 'uds'],
    });
  });

  it('are nothing without agents', () => {
    expect(joinCapabilities([])).toMatchObject({
      tasks: [],
      maxConcurrentTasks: 0,
      resourceLimits: undefined,
    });
  });
});

it('what an agent uses comes and goes unchanged', () => {
  const message = ResourceUsage.fromPartial({
    cpuPercent: 12.5,
    memoryUsage: 1n,
    memoryLimit: 2n,
    memoryPercent: 50,
    networkRx: 3n,
    networkTx: 4n,
    blockRead: 5n,
    blockWrite: 6n,
    pidsCount: 7n,
  });
  expect(usageMessage(usageOf(message))).toEqual(message);
  expect(usageOf(undefined)).toBeUndefined();
});
