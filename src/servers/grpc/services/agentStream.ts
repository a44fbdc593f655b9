import { invalidRequest } from '../../../core/text.ts';
import { Bell } from '../../../base/bell.ts';
import { type Disposable, DisposableStore } from '../../../base/disposable.ts';
import { OrchestratorError } from '../../../base/errors.ts';
import type { AgentLink, AgentMessage } from '../../../core/agents/agentLink.ts';
import type { Orchestrator } from '../../../core/orchestrator.ts';
import type { AgentTask } from '../../../core/tasks/task.ts';
import type { StreamAgentRequest, StreamAgentResponse } from '../../../protocol/gen/agent/v1/agent.ts';
import type { CallContext } from '../rpcHandlers.ts';
import { agentMessageOf, wireMessage } from './agentWire.ts';
import type { ServerFacts } from './serverFacts.ts';
import { TaskReports } from './taskReports.ts';
import { taskStateMessage } from './taskMessages.ts';

/** What waits for an agent that does not read: its bytes, about, and its messages. Then nothing more is taken. */
const waitingBytesLimit = 16 * 1024 * 1024;
const waitingLimit = 1_000;

export interface AgentStreamOptions {
  readonly facts: ServerFacts;
  /** Throws where the caller may not speak for the agent. */
  readonly checkAccess: (agentId: string) => void;
}

type Core = Pick<Orchestrator, 'agents' | 'conversations' | 'tasks' | 'events'>;

/**
 * An agent's own stream: its tasks, their cancellation and messages to it; from it answers, and reports of its tasks.
 * It is bound by the first frame that is no heartbeat. It ends when the agent ends its side, or is unregistered.
 */
export async function* streamAgent(
  core: Core,
  options: AgentStreamOptions,
  requests: AsyncIterable<StreamAgentRequest>,
  { signal }: CallContext,
): AsyncGenerator<StreamAgentResponse, void, undefined> {
  const stream = new AgentStream(core, options);
  const onAbort = (): void => stream.ring();
  signal.addEventListener('abort', onAbort);
  void stream.read(requests);
  try {
    while (!signal.aborted) {
      for (; stream.owedHeartbeats > 0; stream.owedHeartbeats -= 1) {
        yield { payload: { $case: 'heartbeat', value: {} } };
      }
      for (let next = stream.take(); next !== undefined; next = stream.take()) {
        yield { payload: { $case: 'message', value: wireMessage(next) } };
      }
      if (stream.failure !== undefined) throw stream.failure.error;
      if (stream.hasEnded) return;
      await stream.heard();
    }
  } finally {
    stream.dispose();
    signal.removeEventListener('abort', onAbort);
  }
}

class AgentStream implements AgentLink, Disposable {
  owedHeartbeats = 0;
  hasEnded = false;
  failure: { readonly error: unknown } | undefined;
  private readonly core: Core;
  private readonly options: AgentStreamOptions;
  private readonly bell = new Bell();
  private readonly disposables = new DisposableStore();
  private readonly waiting: AgentMessage[] = [];
  private waitingBytes = 0;
  private agentId: string | undefined;
  /** Of the tasks that were given over this stream, or reported of. */
  private readonly reports = new Map<string, TaskReports>();

  constructor(core: Core, options: AgentStreamOptions) {
    this.core = core;
    this.options = options;
  }

  ring(): void {
    this.bell.ring();
  }

  heard(): Promise<void> {
    return this.bell.heard();
  }

  /** The next message that waits for the agent. */
  take(): AgentMessage | undefined {
    const message = this.waiting.shift();
    if (message !== undefined) this.waitingBytes -= sizeOf(message);
    return message;
  }

  async read(requests: AsyncIterable<StreamAgentRequest>): Promise<void> {
    try {
      for await (const { agentId, payload } of requests) {
        if (payload?.$case === 'heartbeat') this.beat(agentId);
        else {
          const id = this.bind(agentId);
          if (payload !== undefined) this.receive(id, agentMessageOf(payload.value, this.defaults(id)));
        }
        this.ring();
      }
    } catch (error) {
      this.failure ??= { error };
    }
    this.end();
  }

  deliverTask(task: AgentTask): void {
    const { id: taskId, sessionId, attempt, config } = task;
    this.send({
      ...this.outgoing(),
      type: 'task_request',
      sessionId,
      headers: { attempt: String(attempt) },
      body: {
        kind: 'task',
        taskId,
        sessionId,
        state: 'queued',
        progress: 0,
        statusMessage: config.command,
        output: new Uint8Array(),
      },
    });
    this.reports.set(taskId, new TaskReports(this.core.tasks, taskId));
  }

  cancelTask(taskId: string, reason: string): void {
    this.reports.delete(taskId);
    const parameters = { task_id: taskId, reason };
    this.send({ ...this.outgoing(), body: { kind: 'control', command: 'cancel', parameters } });
  }

  deliverMessage(message: AgentMessage): void {
    this.send(message);
  }

  dispose(): void {
    this.disposables.dispose();
    this.reports.clear();
  }

  private end(): void {
    this.hasEnded = true;
    this.ring();
  }

  /** It does not bind the stream; of an agent that is registered it is a sign of life. */
  private beat(given: string): void {
    this.owedHeartbeats += 1;
    const id = this.agentId ?? given;
    if (this.core.agents.find(id) !== undefined) this.core.agents.touch(id);
  }

  private bind(given: string): string {
    if (this.agentId !== undefined) return this.agentId;
    if (given === '') throw invalidRequest('first message must contain agent_id');
    const { agents, events } = this.core;
    const { id } = agents.get(given);
    this.options.checkAccess(id);
    this.agentId = id;
    this.disposables.add(agents.connect(id, this));
    this.disposables.add(
      events.onDidAppend(({ type, agentId }) => {
        if (type === 'agent.unregistered' && agentId === id) this.end();
      }),
    );
    return id;
  }

  private receive(agentId: string, message: AgentMessage): void {
    const { body } = message;
    // Every message is a sign of life; only an answer is more.
    this.core.conversations.receive(agentId, message);
    if (body.kind !== 'task') return;
    const { taskId, state, progress, statusMessage, output } = body;
    const reports = this.reportsOf(agentId, taskId);
    if (reports === undefined) return;
    let isCounted = true;
    if (output.length > 0) isCounted = reports.output({ data: output, text: '', streamType: 'stdout' });
    if (progress > 0)
      isCounted = reports.progress({ percent: progress, message: statusMessage, details: {} });
    if (state !== undefined) {
      const wireState = taskStateMessage(state);
      isCounted = reports.status({ state: wireState, message: statusMessage, timestamp: undefined });
    }
    if (!isCounted) this.reports.delete(taskId);
  }

  /** Undefined for a task that the agent does not have. */
  private reportsOf(agentId: string, taskId: string): TaskReports | undefined {
    const known = this.reports.get(taskId);
    if (known !== undefined) return known;
    const task = this.core.tasks.find(taskId);
    if (task?.agentId !== agentId || task.state === 'pending') return undefined;
    const reports = new TaskReports(this.core.tasks, taskId);
    this.reports.set(taskId, reports);
    return reports;
  }

  private outgoing() {
    return { ...this.defaults('orchestrator'), targetId: this.agentId ?? '', headers: {} };
  }

  private defaults(sourceId: string) {
    const { facts } = this.options;
    return { id: facts.newId(), time: facts.now(), sourceId, targetId: 'orchestrator' };
  }

  private send(message: AgentMessage): void {
    const size = sizeOf(message);
    if (this.waiting.length >= waitingLimit || this.waitingBytes + size > waitingBytesLimit) {
      const why = 'the agent does not read its stream';
      throw new OrchestratorError('UNAVAILABLE', 'agent_unavailable', why);
    }
    this.waiting.push(message);
    this.waitingBytes += size;
    this.ring();
  }
}

function sizeOf({ body }: AgentMessage): number {
  switch (body.kind) {
    case 'data':
      return body.data.length;
    case 'task':
      return body.output.length + body.statusMessage.length;
    case 'none':
    case 'control':
    case 'event':
      return 1_000;
  }
}
