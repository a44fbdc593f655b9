import { resolve } from 'node:path';
import { OrchestratorError } from '../../base/errors.ts';
import type { ContainerTask } from '../../core/containerTasks/containerTask.ts';
import {
  type ContainerTaskAccess,
  type SeenContainerTask,
  seenContainerTask,
  type StartFromManifest,
} from '../../core/containerTasks/containerTaskAccess.ts';
import type { ContainerTaskManager } from '../../core/containerTasks/containerTaskManager.ts';
import type { Orchestrator } from '../../core/orchestrator.ts';
import { parseContainerTaskManifest } from '../../protocol/containerTaskManifest.ts';

/** The container tasks of the core of this process, for a person. */
export class LocalContainerTasks implements ContainerTaskAccess {
  private readonly orchestrator: Orchestrator;

  constructor(orchestrator: Orchestrator) {
    this.orchestrator = orchestrator;
  }

  list(): SeenContainerTask[] {
    return this.tasks.list().map((task) => this.seen(task));
  }

  async start({ sessionId, manifest, folder }: StartFromManifest): Promise<SeenContainerTask> {
    const parsed = parseContainerTaskManifest(manifest, (path) => resolve(folder, path));
    return this.seen(await this.tasks.start({ manifest: parsed, sessionId, isAgreed: true }));
  }

  async stop(id: string): Promise<SeenContainerTask> {
    await this.tasks.stop(id);
    return this.waitForEnd(id);
  }

  async retry(id: string): Promise<SeenContainerTask> {
    return this.seen(await this.tasks.retry(id));
  }

  remove(id: string): Promise<void> {
    return this.tasks.remove(id);
  }

  async waitForEnd(id: string, signal?: AbortSignal): Promise<SeenContainerTask> {
    return this.seen(await this.tasks.waitForEnd(id, signal));
  }

  private seen(task: ContainerTask): SeenContainerTask {
    const { runId } = task;
    return seenContainerTask(task, runId === undefined ? undefined : this.orchestrator.runs.find(runId));
  }

  private get tasks(): ContainerTaskManager {
    const { containerTasks } = this.orchestrator;
    if (containerTasks !== undefined) return containerTasks;
    throw new OrchestratorError(
      'FAILED_PRECONDITION',
      'invalid_request',
      'This orchestrator runs no container tasks.',
    );
  }
}
