import { type Disposable, DisposableStore, toDisposable } from '../../base/disposable.ts';
import { Emitter } from '../../base/emitter.ts';
import type { Orchestrator } from '../../core/orchestrator.ts';
import { type AgentTask, isTaskEnded } from '../../core/tasks/task.ts';
import type { AgentRowsInput } from './agentRows.ts';

export interface AgentsModelOptions {
  readonly orchestrator: Orchestrator;
  readonly isMotionReduced: () => boolean;
  /** Somebody looks: only then time ticks in the rows. */
  readonly isWatched: () => boolean;
}

/** Ended tasks that an agent shows. */
const recentPerAgent = 3;
/** Ten changes of the rows a second at most. */
const changeIntervalMs = 100;
const tickMs = 1_000;

/** The agents with their tasks, with changes gathered in time. */
export class AgentsModel implements Disposable {
  private readonly options: AgentsModelOptions;
  private readonly resources = new DisposableStore();
  private readonly changed = new Emitter<void>();
  /** By agent, oldest first. */
  private readonly recent = new Map<string, readonly AgentTask[]>();
  private timer: NodeJS.Timeout | undefined;

  readonly onDidChange = this.changed.event;

  constructor(options: AgentsModelOptions) {
    this.options = options;
    const { agents, tasks, events } = options.orchestrator;
    this.resources.add(
      tasks.onDidChange((task) => {
        if (isTaskEnded(task)) this.noteEnded(task);
        this.scheduleChange();
      }),
    );
    this.resources.add(
      events.onDidAppend(({ type, agentId }) => {
        if (!type.startsWith('agent.')) return;
        if (type === 'agent.unregistered' && agentId !== undefined) this.recent.delete(agentId);
        this.scheduleChange();
      }),
    );
    const tick = setInterval(() => {
      if (options.isWatched() && (tasks.active().length > 0 || agents.list({ state: 'lost' }).length > 0)) {
        this.scheduleChange();
      }
    }, tickMs);
    this.resources.add(
      toDisposable(() => {
        clearInterval(tick);
        clearTimeout(this.timer);
      }),
    );
  }

  rowsInput(): AgentRowsInput {
    const { agents, tasks } = this.options.orchestrator;
    const shown = agents.list();
    const ended = shown.flatMap(({ id }) => this.recentOf(id));
    return {
      agents: shown.map(({ id }) => agents.status(id)),
      tasks: [...ended, ...tasks.active()],
      now: Date.now(),
      isMotionReduced: this.options.isMotionReduced(),
    };
  }

  dispose(): void {
    this.resources.dispose();
    this.changed.dispose();
  }

  private recentOf(agentId: string): readonly AgentTask[] {
    let recent = this.recent.get(agentId);
    if (recent === undefined) {
      // Of a window that was reloaded. Those that go on are among them.
      const { tasks } = this.options.orchestrator;
      const limit = recentPerAgent + tasks.active().length;
      recent = tasks.list({ agentId, limit }).filter(isTaskEnded).slice(-recentPerAgent);
      this.recent.set(agentId, recent);
    }
    return recent;
  }

  private noteEnded(task: AgentTask): void {
    const { agentId } = task;
    // What was not looked at yet is read when it is.
    const recent = agentId === null ? undefined : this.recent.get(agentId);
    if (agentId === null || recent === undefined) return;
    this.recent.set(agentId, [...recent.filter(({ id }) => id !== task.id), task].slice(-recentPerAgent));
  }

  private scheduleChange(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.changed.fire();
    }, changeIntervalMs);
  }
}
