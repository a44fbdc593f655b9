/** What is being removed of a task's ended executions: the next one waits for it, so that it loses nothing of its own. */
export class TaskTidying {
  private readonly current = new Map<string, Promise<void>>();

  /** Resolves when nothing is being removed of that task; never rejects. */
  async done(taskId: string): Promise<void> {
    await this.current.get(taskId);
  }

  /** Rejects with the first error of the steps. */
  run(taskId: string, steps: readonly Promise<void>[]): Promise<void> {
    const tidied = Promise.all(steps).then(() => undefined);
    const settled = tidied
      .catch(() => undefined)
      .finally(() => {
        if (this.current.get(taskId) === settled) this.current.delete(taskId);
      });
    this.current.set(taskId, settled);
    return tidied;
  }
}
