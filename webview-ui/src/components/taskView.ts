import { html, nothing } from 'lit';
import type { TemplateResult } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import type { ContainerTaskView, RunView } from '../../../src/protocol/runPanel.ts';
import type { Controller } from '../controller.ts';
import { formatClock, plural } from '../model/format.ts';
import { isActive, showsSteps } from '../model/panelState.ts';
import type { PanelState } from '../model/panelState.ts';
import { Tail } from '../tail.ts';
import { LightElement } from './lightElement.ts';
import { taskEntry } from './taskEntry.ts';

/** What a container task tells: how far it is, and its log with errors and result, the newest in view. */
export class TaskViewElement extends LightElement {
  static override properties = {
    controller: { attribute: false },
    panel: { attribute: false },
    newEntries: { state: true },
  };
  declare controller: Controller;
  declare panel: PanelState;
  declare private newEntries: number;
  private tail: Tail | undefined;
  private resizes: ResizeObserver | undefined;
  /** The newest entry when the person scrolled away from it. */
  private leftAt = 0;

  constructor() {
    super();
    this.newEntries = 0;
  }

  private readonly openEntry = (sequence: number): void => {
    this.controller.post({ type: 'openTaskEntry', sequence });
  };

  protected override willUpdate(changed: Map<string, unknown>): void {
    const before = changed.get('panel') as PanelState | undefined;
    if (before !== undefined && before.run?.id !== this.panel.run?.id) {
      if (this.tail !== undefined) this.tail.isFollowing = true;
    }
    const isFollowing = this.tail?.isFollowing ?? true;
    this.newEntries = isFollowing
      ? 0
      : this.panel.taskLog.filter(({ sequence }) => sequence > this.leftAt).length;
  }

  protected override render(): unknown {
    const { run } = this.panel;
    const task = run?.containerTask;
    if (run === null || task === undefined) return nothing;
    return html`<section class="task-view" aria-label="Container task">
      ${this.renderNow(run, task)}
      <div class="task-scroller" tabindex="0" role="region" aria-label="Log of the task">${this.renderLog(run, task)}</div>
      ${
        this.newEntries > 0
          ? html`<button type="button" class="new-lines" @click=${() => this.tail?.follow()}>
            ${this.newEntries} new ${this.newEntries === 1 ? 'entry' : 'entries'}<span class="codicon codicon-arrow-down" aria-hidden="true"></span>
          </button>`
          : nothing
      }
    </section>`;
  }

  private renderNow(run: RunView, task: ContainerTaskView): TemplateResult {
    const { progress, message = '', retry, newerRunId, hasOutput } = task;
    const why = showsSteps(run) ? task.why : (run.error ?? task.why);
    const isKnown = progress !== undefined;
    return html`<div class="task-now">
      <div class="task-words">
        <span class="task-message" dir="auto">${message === '' ? waitingWords(run) : message}</span>
        ${hasOutput ? this.renderOutput() : nothing}
        ${isKnown ? html`<span class="task-percent">${Math.round(progress)} %</span>` : nothing}
      </div>
      ${
        isKnown
          ? html`<progress
            class="task-bar status-of-${run.status}"
            max="100"
            value=${progress}
            aria-label="Progress of the task"
          ></progress>`
          : nothing
      }
      ${
        why === undefined
          ? nothing
          : html`<p class="task-note is-error"><span class="codicon codicon-error" aria-hidden="true"></span><span dir="auto">${why}</span></p>`
      }
      ${
        retry === undefined
          ? nothing
          : html`<p class="task-note"><span class="codicon codicon-debug-restart" aria-hidden="true"></span>
            <span>${retry.number === 0 ? 'Starts again' : `Retry ${retry.number}`} at ${formatClock(retry.at)}</span></p>`
      }
      ${
        newerRunId === undefined
          ? nothing
          : html`<p class="task-note"><span class="codicon codicon-history" aria-hidden="true"></span>
            <span>The task was started again since.
              <button type="button" class="text-link" @click=${() => this.controller.post({ type: 'openRun', runId: newerRunId })}>Show its newest run</button></span></p>`
      }
    </div>`;
  }

  private renderOutput(): TemplateResult {
    const open = (): void => this.controller.post({ type: 'openOutput', step: 1 });
    return html`<button type="button" class="action" title="Open what its container printed" @click=${open}>
      <span class="codicon codicon-go-to-file" aria-hidden="true"></span><span>Open Output</span>
    </button>`;
  }

  private renderLog(run: RunView, { isLogAway }: ContainerTaskView): TemplateResult {
    const { taskLog, taskLogOmitted } = this.panel;
    if (isLogAway)
      return html`<p class="task-hint-line">Its log is with its orchestrator, and is shown there.</p>`;
    if (taskLog.length === 0) {
      return html`<p class="task-hint-line">${isActive(run) ? 'Nothing was told yet.' : 'It told nothing.'}</p>`;
    }
    return html`
      ${
        taskLogOmitted > 0
          ? html`<p class="task-hint-line">${plural(taskLogOmitted, 'earlier message')} not shown</p>`
          : nothing
      }
      <ol class="task-log">
        ${repeat(
          taskLog,
          ({ sequence }) => sequence,
          (entry) => taskEntry(entry, this.openEntry),
        )}
      </ol>`;
  }

  protected override updated(): void {
    const scroller = this.querySelector<HTMLElement>('.task-scroller');
    if (scroller === null) return;
    if (this.tail === undefined) {
      this.tail = new Tail(
        scroller,
        () => scroller.scrollHeight - scroller.clientHeight,
        () => {
          this.leftAt = this.panel.taskLog.at(-1)?.sequence ?? 0;
          this.requestUpdate();
        },
      );
      this.resizes = new ResizeObserver(() => this.followNewest());
      this.resizes.observe(scroller);
    }
    this.followNewest();
  }

  private followNewest(): void {
    if (this.tail?.isFollowing === true) this.tail.pin();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.resizes?.disconnect();
    this.resizes = undefined;
    this.tail = undefined;
  }
}

const endWords: Readonly<Record<string, string>> = {
  succeeded: 'succeeded',
  failed: 'failed',
  cancelled: 'been stopped',
  timed_out: 'run out of time',
};

function waitingWords(run: RunView): string {
  if (run.status === 'queued') return 'Waits for its turn';
  if (!isActive(run)) return `The task has ${endWords[run.status]}`;
  return run.steps.some(({ status }) => status !== 'pending') ? 'Running' : 'Starting';
}
