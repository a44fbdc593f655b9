import { type Disposable, toDisposable } from '../../base/disposable.ts';
import { DueTimer } from '../../base/dueTimer.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { CoreContext } from '../context.ts';
import type { LogTransaction } from '../events/logTransaction.ts';
import { hasLabels } from '../labels.ts';
import type { ResourceUsage } from '../resources.ts';
import { invalidRequest } from '../text.ts';
import type { Agent, AgentFilter, AgentStatus, RegisterAgentRequest } from './agent.ts';
import type { AgentLink, AgentMessage } from './agentLink.ts';
import { checkRegistration } from './registration.ts';

/** A lost agent that does not come back is forgotten after so long: who restarts registers anew. */
const forgetLostMs = 60 * 60 * 1_000;
const retryMs = 2_000;

/** Takes an agent's tasks away from it, in the transaction in which it is lost or leaves. Given by the Orchestrator. */
export type ReleaseTasks = (tx: LogTransaction, agent: Agent, why: 'lost' | 'unregistered') => void;

interface Presence {
  lastSeenAt: number;
  resources: ResourceUsage | undefined;
  link: AgentLink | undefined;
}

/** The agents that have registered, and which of them are alive. */
export class AgentRegistry implements Disposable {
  /** Called where an agent may have become able to take tasks. */
  onDidArrive: (agentId: string) => void = () => undefined;
  private readonly context: CoreContext;
  private readonly releaseTasks: ReleaseTasks;
  private readonly presences = new Map<string, Presence>();
  private readonly timer: DueTimer;

  constructor(context: CoreContext, releaseTasks: ReleaseTasks) {
    this.context = context;
    this.releaseTasks = releaseTasks;
    this.timer = new DueTimer(context.clock, (now) => this.look(now));
  }

  /** From now on agents that stay silent are lost; those of former cores get the whole limit to be heard again. */
  watch(): void {
    const now = this.context.clock.now();
    for (const agent of this.context.state.agents.values()) this.presenceOf(agent.id).lastSeenAt = now;
    this.timer.by(now);
  }

  /** Errors: `invalid_request`, `agent_limit`, `disk_full`. */
  register(request: RegisterAgentRequest): Agent {
    const { clock, ids, limits, log, state } = this.context;
    if (request.name.trim() === '') throw invalidRequest('name is required');
    if (state.agents.size >= limits.maxAgents) {
      throw new OrchestratorError(
        'RESOURCE_EXHAUSTED',
        'agent_limit',
        `maximum agents limit reached: ${limits.maxAgents}`,
      );
    }
    const now = clock.now();
    const agent: Agent = {
      id: ids.hexId(),
      ...checkRegistration(request),
      state: 'online',
      registeredAt: now,
    };
    log.commit((tx) => {
      tx.put('agent', agent);
      tx.report('agent.registered', scopeOf(agent), { name: agent.name, type: agent.type });
    });
    this.presenceOf(agent.id).lastSeenAt = now;
    this.timer.by(now + limits.agentSilenceMs);
    this.onDidArrive(agent.id);
    return agent;
  }

  /** Its tasks go to others or fail; they stay reachable by id. Errors: `agent_not_found`, `disk_full`. */
  unregister(id: string, reason?: string): void {
    const agent = this.get(id);
    this.context.log.commit((tx) => this.removeIn(tx, agent, reason ?? null));
    this.presences.delete(id);
  }

  /** Error: `agent_not_found`. */
  get(id: string): Agent {
    const agent = this.find(id);
    if (agent !== undefined) return agent;
    throw new OrchestratorError('NOT_FOUND', 'agent_not_found', 'agent not found', { details: { id } });
  }

  find(id: string): Agent | undefined {
    return this.context.state.agents.get(id);
  }

  /** In the order of their registration. */
  list(filter: AgentFilter = {}): Agent[] {
    const { name, state, labels, capability } = filter;
    return [...this.context.state.agents.values()].filter(
      (agent) =>
        (name === undefined || agent.name === name) &&
        (state === undefined || agent.state === state) &&
        (capability === undefined || agent.capabilities.tasks.includes(capability)) &&
        hasLabels(agent.labels, labels),
    );
  }

  /** Error: `agent_not_found`. */
  status(id: string): AgentStatus {
    const agent = this.get(id);
    const { lastSeenAt, resources, link } = this.presenceOf(id);
    const activeTasks = [...this.context.state.tasksOf(id)];
    const state = agent.state === 'lost' ? 'lost' : activeTasks.length > 0 ? 'busy' : 'idle';
    return { agent, state, activeTasks, lastSeenAt, resources, isConnected: link !== undefined };
  }

  /** A sign of life: brings a lost agent back. Errors: `agent_not_found`, `disk_full`. */
  touch(id: string, resources?: ResourceUsage): Agent {
    const agent = this.get(id);
    const presence = this.presenceOf(id);
    presence.lastSeenAt = this.context.clock.now();
    if (resources !== undefined) presence.resources = resources;
    if (agent.state === 'online') return agent;
    const returned: Agent = { ...agent, state: 'online', lostAt: undefined };
    this.context.log.commit((tx) => {
      tx.put('agent', returned);
      tx.report('agent.returned', scopeOf(agent), { name: agent.name });
    });
    this.timer.by(presence.lastSeenAt + this.context.limits.agentSilenceMs);
    this.onDidArrive(id);
    return returned;
  }

  /**
   * Binds an open stream to the agent: the newest one counts, and the end of a former one does not touch it. Disposing
   * the answer unbinds it. Errors: `agent_not_found`, `disk_full`.
   */
  connect(id: string, link: AgentLink): Disposable {
    this.touch(id);
    this.presenceOf(id).link = link;
    this.onDidArrive(id);
    return toDisposable(() => {
      const presence = this.presences.get(id);
      if (presence?.link === link) presence.link = undefined;
    });
  }

  linkOf(id: string): AgentLink | undefined {
    return this.presences.get(id)?.link;
  }

  /** Errors: `agent_not_found`, `agent_unavailable` where no stream to it is open. */
  send(id: string, message: AgentMessage): void {
    this.get(id);
    const link = this.linkOf(id);
    if (link === undefined) {
      throw new OrchestratorError('UNAVAILABLE', 'agent_unavailable', 'agent stream not connected');
    }
    link.deliverMessage(message);
  }

  dispose(): void {
    this.timer.dispose();
    this.presences.clear();
  }

  private presenceOf(id: string): Presence {
    let presence = this.presences.get(id);
    if (presence === undefined) {
      presence = { lastSeenAt: this.context.clock.now(), resources: undefined, link: undefined };
      this.presences.set(id, presence);
    }
    return presence;
  }

  /** @returns when the next one is due. */
  private look(now: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const agent of [...this.context.state.agents.values()]) {
      const due = this.dueOf(agent);
      if (due > now) next = Math.min(next, due);
      else next = Math.min(next, this.actOn(agent, now));
    }
    return next;
  }

  private dueOf(agent: Agent): number {
    if (agent.state === 'lost') return (agent.lostAt ?? 0) + forgetLostMs;
    return this.presenceOf(agent.id).lastSeenAt + this.context.limits.agentSilenceMs;
  }

  /** @returns when to look at it again. */
  private actOn(agent: Agent, now: number): number {
    const { log, failures } = this.context;
    try {
      if (agent.state === 'lost') {
        log.commit((tx) => this.removeIn(tx, agent, 'not heard of for an hour'));
        this.presences.delete(agent.id);
        return Number.POSITIVE_INFINITY;
      }
      log.commit((tx) => {
        tx.put('agent', { ...agent, state: 'lost', lostAt: now });
        const silent_ms = now - this.presenceOf(agent.id).lastSeenAt;
        tx.report('agent.lost', { ...scopeOf(agent), priority: 'high' }, { name: agent.name, silent_ms });
        this.releaseTasks(tx, agent, 'lost');
      });
      return now + forgetLostMs;
    } catch (error) {
      failures.report(error, `store that the agent "${agent.name}" was lost`);
      return now + retryMs;
    }
  }

  private removeIn(tx: LogTransaction, agent: Agent, reason: string | null): void {
    tx.delete('agent', agent.id);
    tx.report('agent.unregistered', scopeOf(agent), { name: agent.name, reason });
    this.releaseTasks(tx, agent, 'unregistered');
  }
}

function scopeOf(agent: Agent): { readonly agentId: string; readonly labels: Agent['labels'] } {
  return { agentId: agent.id, labels: agent.labels };
}
