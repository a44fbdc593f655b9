import type { Orchestrator } from '../../../core/orchestrator.ts';
import { permissionDenied } from '../../../core/terminals/owners.ts';
import type { ToolCallRecord, ToolEntry } from '../../../core/tools/toolCalls.ts';
import { Health, Status } from '../../../protocol/gen/common/v1/common.ts';
import {
  type ExecutionFilter,
  type ToolFilter,
  ToolServiceDefinition,
} from '../../../protocol/gen/tool/v1/tool.ts';
import { type CallContext, implement, type ServiceImplementation } from '../rpcHandlers.ts';
import { msOfNs } from './commonMessages.ts';
import type { ServerFacts } from './serverFacts.ts';
import { checkMayChange } from './sessionView.ts';
import {
  definitionMessage,
  definitionOf,
  executionMessage,
  executionStatuses,
  instanceMessage,
  stateOf,
  usageMessage,
} from './toolMessages.ts';
import { streamTool } from './toolStream.ts';
import { dateOf, required } from './values.ts';

/**
 * Tools over gRPC: the same registry as everywhere, and tools that clients register. Only a person registers; an agent
 * calls tools in sessions that it owns.
 */
export function toolService(orchestrator: Orchestrator, facts: ServerFacts): ServiceImplementation {
  const { toolCalls: calls, sessions } = orchestrator;

  const checkPerson = ({ principal, path }: CallContext): void => {
    if (principal !== null) throw permissionDenied(principal, path);
  };
  const checkSession = (sessionId: string | undefined, call: CallContext): void => {
    if (sessionId === undefined) checkPerson(call);
    else checkMayChange(sessions.get(sessionId), call);
  };
  const findOwn = (id: string, call: CallContext): ToolCallRecord => {
    const record = calls.get(required(id, 'execution_id'));
    checkSession(record.sessionId, call);
    return record;
  };
  const named = (name: string): string => required(name, 'name');

  return implement(ToolServiceDefinition, {
    async registerTool({ definition, force }, call) {
      checkPerson(call);
      const tool = instanceMessage(await calls.register(definitionOf(definition), force));
      return { name: tool.name, tool };
    },
    async unregisterTool({ name, force }, call) {
      checkPerson(call);
      await calls.unregister(named(name), force);
      return { success: true, message: 'tool unregistered' };
    },
    async updateTool({ name, definition }, call) {
      checkPerson(call);
      return { tool: instanceMessage(await calls.update(named(name), definitionOf(definition))) };
    },
    async enableTool({ name }, call) {
      checkPerson(call);
      await calls.setEnabled(named(name), true);
      return { name, enabled: true };
    },
    async disableTool({ name, cancelActiveExecutions }, call) {
      checkPerson(call);
      const cancelledExecutions = await calls.setEnabled(named(name), false, cancelActiveExecutions);
      return { name, disabled: true, cancelledExecutions };
    },
    async listTools({ filter }) {
      const tools = (await calls.list()).filter((entry) => isWanted(entry, filter)).map(instanceMessage);
      return { tools, totalCount: tools.length };
    },
    getTool: async ({ name }) => ({ tool: instanceMessage(await calls.entry(named(name))) }),
    getToolDefinition: async ({ name }) => ({
      definition: definitionMessage(await calls.entry(named(name))),
    }),

    async executeTool(request, call) {
      const sessionId = request.sessionId === '' ? undefined : request.sessionId;
      checkSession(sessionId, call);
      const timeoutMs = msOfNs(request.timeoutNs, 'timeout_ns');
      const record = await calls.start({
        toolName: required(request.toolName, 'tool_name'),
        parameters: request.parameters,
        sessionId,
        timeoutMs: timeoutMs === 0 ? undefined : timeoutMs,
        correlationId: request.correlationId,
      });
      return { executionId: record.id, execution: executionMessage(record) };
    },
    streamTool: (requests, call) => streamTool(calls, requests, call, (id) => findOwn(id, call)),
    async cancelExecution({ executionId }, call) {
      findOwn(executionId, call);
      const cancelled = await calls.cancel(executionId);
      return { executionId, status: executionStatuses[calls.get(executionId).status], cancelled };
    },
    getExecutionStatus: ({ executionId }, call) => ({
      execution: executionMessage(findOwn(executionId, call)),
    }),
    listExecutions({ filter }, { principal }) {
      const executions = calls
        .all()
        .filter((record) => principal === null || isOwn(record, principal))
        .map(executionMessage)
        .filter((execution) => isInFilter(execution, filter));
      return { executions, totalCount: executions.length };
    },

    async healthCheck() {
      const tools = await calls.list();
      return {
        health: Health.HEALTH_HEALTHY,
        version: facts.version,
        subsystems: ['registry', 'executor'],
        registeredTools: tools.length,
        activeExecutions: calls.runningCount,
      };
    },
    async getServiceStatus() {
      const tools = await calls.list();
      return {
        status: Status.STATUS_RUNNING,
        registeredTools: tools.length,
        enabledTools: tools.filter(({ isEnabled }) => isEnabled).length,
        activeExecutions: calls.runningCount,
        startedAt: dateOf(calls.startedAt),
        // A time, as the contract has it: that much after the epoch.
        uptime: dateOf(facts.now() - calls.startedAt),
      };
    },
    async getStats({ toolName }) {
      const tools = await (toolName === '' ? calls.list() : Promise.all([calls.entry(toolName)]));
      const sum = (count: (entry: ToolEntry) => number): bigint =>
        BigInt(tools.reduce((total, entry) => total + count(entry), 0));
      return {
        serviceStats: {
          totalExecutions: sum(({ use }) => use.total),
          successfulExecutions: sum(({ use }) => use.completed),
          failedExecutions: sum(({ use }) => use.failed + use.timeout),
          activeExecutions: sum(({ running }) => running),
          startedAt: dateOf(calls.startedAt),
        },
        toolStats: tools.map(({ tool, use }) => ({ toolName: tool.name, usageStats: usageMessage(use) })),
      };
    },
  });

  function isOwn({ sessionId }: ToolCallRecord, principal: CallContext['principal']): boolean {
    const session = sessionId === undefined ? undefined : sessions.find(sessionId);
    return session !== undefined && session.owner === principal;
  }
}

/** `enabled` asks for enabled ones; a filter without it for all. */
function isWanted(entry: ToolEntry, filter: ToolFilter | undefined): boolean {
  if (filter === undefined) return true;
  const { type, metadata } = definitionMessage(entry);
  return (
    (filter.type === 0 || filter.type === type) &&
    (filter.state === 0 || filter.state === stateOf(entry)) &&
    (!filter.enabled || entry.isEnabled) &&
    entry.tool.name.includes(filter.namePattern.replaceAll('*', '')) &&
    Object.entries(filter.labels).every(([name, value]) => metadata[name] === value)
  );
}

function isInFilter(
  execution: ReturnType<typeof executionMessage>,
  filter: ExecutionFilter | undefined,
): boolean {
  if (filter === undefined) return true;
  const { createdAt = new Date(0) } = execution;
  return (
    (filter.toolName === '' || filter.toolName === execution.toolName) &&
    (filter.status === 0 || filter.status === execution.status) &&
    (filter.sessionId === '' || filter.sessionId === execution.sessionId) &&
    (filter.createdAfter === undefined || createdAt > filter.createdAfter) &&
    (filter.createdBefore === undefined || createdAt < filter.createdBefore)
  );
}
