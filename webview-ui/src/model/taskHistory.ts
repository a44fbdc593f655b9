/** Earlier tasks behind the arrow-up key, as in a shell: the draft is kept and comes back at the bottom. */
export class TaskHistory {
  private tasks: readonly string[] = [];
  /** -1 is the draft, 0 the newest task. */
  private position = -1;
  private draft = '';

  /** `tasks` from the newest to the oldest; doubles count once. */
  setTasks(tasks: readonly string[]): void {
    this.tasks = [...new Set(tasks)];
    this.position = Math.min(this.position, this.tasks.length - 1);
  }

  /** The person typed: what is in the box is a draft now. */
  reset(): void {
    this.position = -1;
  }

  older(current: string): string | undefined {
    const next = this.tasks.findIndex((task, index) => index > this.position && task !== current);
    if (next === -1) return undefined;
    if (this.position === -1) this.draft = current;
    this.position = next;
    return this.tasks[next];
  }

  newer(): string | undefined {
    if (this.position === -1) return undefined;
    this.position--;
    return this.position === -1 ? this.draft : this.tasks[this.position];
  }
}
