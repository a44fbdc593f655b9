import { validDescription, validLabels, validTexts } from '../labels.ts';
import { checkInteger, validName } from '../text.ts';
import type { Agent, AgentCapabilities, RegisterAgentRequest } from './agent.ts';

const concurrencyLimit = 1_000;
/** What an agent gets that does not say how much it takes at a time. */
const defaultConcurrency = 10;

/** What an agent says of itself, checked. Error: `invalid_request`. */
export function checkRegistration(
  request: RegisterAgentRequest,
): Omit<Agent, 'id' | 'state' | 'registeredAt'> {
  return {
    name: validName(request.name, 'agent'),
    type: request.type ?? 'unspecified',
    version: validDescription(request.version, 'version of the agent'),
    description: validDescription(request.description, 'agent'),
    labels: validLabels(request.labels, 'agent'),
    owner: validDescription(request.owner, 'owner of the agent'),
    tags: validTexts(request.tags, 'tags of the agent'),
    hostname: validDescription(request.hostname, 'hostname of the agent'),
    pid: validDescription(request.pid, 'pid of the agent'),
    capabilities: checkCapabilities(request.capabilities ?? {}),
  };
}

function checkCapabilities(capabilities: Partial<AgentCapabilities>): AgentCapabilities {
  const { maxConcurrentTasks = 0 } = capabilities;
  checkInteger(maxConcurrentTasks, 0, concurrencyLimit, 'The number of tasks at a time');
  return {
    tasks: validTexts(capabilities.tasks, 'supported tasks'),
    tools: validTexts(capabilities.tools, 'supported tools'),
    maxConcurrentTasks: maxConcurrentTasks === 0 ? defaultConcurrency : maxConcurrentTasks,
    resourceLimits: capabilities.resourceLimits,
    supportsStreaming: capabilities.supportsStreaming ?? false,
    supportsCancellation: capabilities.supportsCancellation ?? false,
    protocols: validTexts(capabilities.protocols, 'supported protocols'),
  };
}
