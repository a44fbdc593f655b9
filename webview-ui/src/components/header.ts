import { html, nothing } from 'lit';
import type { TemplateResult } from 'lit';
import type { RunView } from '../../../src/protocol/runPanel.ts';
import type { Controller } from '../controller.ts';
import { firstLineOf, furtherLines, plural } from '../model/format.ts';
import { finishedSteps, isActive, showsSteps, statusWord } from '../model/panelState.ts';
import type { PanelState } from '../model/panelState.ts';
import { durationOf } from './duration.ts';
import { exportMenu } from './exportMenu.ts';
import { isMac, LightElement } from './lightElement.ts';
import { statusIcon } from './statusIcon.ts';

/** What is it, how is it, since when; and what can be done with the whole run. */
export class HeaderElement extends LightElement {
  static override properties = {
    controller: { attribute: false },
    panel: { attribute: false },
    isHistoryOpen: { attribute: false },
    isReplayOpen: { attribute: false },
    isConfirming: { state: true },
  };
  declare controller: Controller;
  declare panel: PanelState;
  declare isHistoryOpen: boolean;
  declare isReplayOpen: boolean;
  declare private isConfirming: boolean;

  constructor() {
    super();
    this.isConfirming = false;
  }

  /** Asks once; the second time is the answer. */
  abort(): void {
    const { run } = this.panel;
    if (run === null || !isActive(run) || run.isAborting || !this.panel.isConnected) return;
    if (!this.isConfirming) {
      this.isConfirming = true;
      void this.updateComplete.then(() => this.querySelector<HTMLElement>('.confirm-abort')?.focus());
      return;
    }
    this.endConfirming(false);
    this.controller.post({ type: 'abort', runId: run.id });
  }

  private endConfirming(returnsFocus: boolean): void {
    this.isConfirming = false;
    if (returnsFocus) void this.updateComplete.then(() => this.querySelector<HTMLElement>('.abort')?.focus());
  }

  protected override willUpdate(): void {
    const { run } = this.panel;
    // It ended while the question stood: nothing is left to abort.
    if (this.isConfirming && (run === null || !isActive(run) || run.isAborting)) this.isConfirming = false;
  }

  protected override render(): unknown {
    const { run } = this.panel;
    return run === null ? this.renderEmpty() : this.renderRun(run);
  }

  private renderEmpty(): TemplateResult {
    return html`<header class="header">
      <div class="title-line"><h1 class="title">Run a task</h1></div>
    </header>`;
  }

  private renderRun(run: RunView): TemplateResult {
    const title = firstLineOf(run.task);
    const more = furtherLines(run.task);
    const took = run.endedAt === undefined ? undefined : run.endedAt - (run.startedAt ?? run.createdAt);
    return html`<header class="header">
      <div class="title-line">
        <h1 class="title" title=${run.task}><bdi>${title}</bdi>${more > 0 ? html`<span class="title-more"> + ${more} more</span>` : nothing}</h1>
        <div class="title-side">
          <span class="run-status">
            ${statusIcon(run.status)}
            <span class="status-word">${run.isAborting && isActive(run) ? 'aborting' : statusWord(run.status)}</span>
            ${durationOf(run.startedAt, took, this.panel.clockOffset)}
          </span>
          <span class="title-actions">
            ${showsSteps(run) ? this.iconButton('search', `Find in Output (${isMac ? '⌘F' : 'Ctrl+F'})`, 'find') : nothing}
            ${this.iconButton('history', this.isHistoryOpen ? 'Show This Run' : 'Show Earlier Runs', 'history', this.isHistoryOpen)}
            ${run.canReplay ? this.iconButton('debug-rerun', this.isReplayOpen ? 'Show the Run as It Is' : 'Step Through the Run', 'replay', this.isReplayOpen) : nothing}
            ${exportMenu(run.id, this.controller)}
            ${this.isConfirming ? this.renderConfirm() : this.renderAction(run)}
          </span>
        </div>
      </div>
      <div class="facts">
        <span class="fact" title="Session"><bdi>${run.sessionName}</bdi></span>
        <span class="fact">${run.engine}</span>
        ${run.shell === '' || run.shell === run.engine ? nothing : html`<span class="fact">${run.shell}</span>`}
        ${run.containerTask === undefined ? nothing : html`<span class="fact program" title=${run.containerTask.program}><bdi>${run.containerTask.program}</bdi></span>`}
        <span class="fact cwd" title=${run.cwd}><bdi>${run.cwd}</bdi></span>
        ${this.renderDone(run)}
      </div>
    </header>`;
  }

  /** Of a container task its errors count: it is one step. */
  private renderDone(run: RunView): TemplateResult | typeof nothing {
    const { containerTask: task } = run;
    if (task === undefined && run.hasStory && run.steps.length < 2) return nothing;
    if (task === undefined)
      return html`<span class="fact steps-done">${finishedSteps(run)}/${plural(run.steps.length, 'step')}</span>`;
    return task.errors === 0
      ? nothing
      : html`<span class="fact steps-done">${plural(task.errors, 'error')}</span>`;
  }

  private renderAction(run: RunView): TemplateResult {
    const isOff = !this.panel.isConnected;
    if (isActive(run)) {
      return html`<vscode-button
        class="abort"
        secondary
        ?disabled=${isOff || run.isAborting}
        title="Abort the run (Alt+A)"
        @click=${() => this.abort()}
        >${run.isAborting ? 'Aborting…' : 'Abort'}</vscode-button
      >`;
    }
    return html`<vscode-button
      class="retry"
      secondary
      ?disabled=${isOff}
      title="Run the same task again, from its first step"
      @click=${() => this.controller.post({ type: 'retry', runId: run.id })}
      >Retry</vscode-button
    >`;
  }

  private renderConfirm(): TemplateResult {
    return html`<span
      class="confirm"
      role="group"
      aria-label="Abort this run?"
      @keydown=${(event: KeyboardEvent) => {
        if (event.key !== 'Escape') return;
        event.stopPropagation();
        this.endConfirming(true);
      }}
    >
      <vscode-button class="confirm-abort" title="Stops its processes (Alt+A)" @click=${() => this.abort()}
        >Abort Run</vscode-button
      >
      <vscode-button secondary @click=${() => this.endConfirming(true)}>Keep Running</vscode-button>
    </span>`;
  }

  private iconButton(icon: string, label: string, name: string, isPressed?: boolean): TemplateResult {
    return html`<button
      type="button"
      class="icon-button"
      title=${label}
      aria-label=${label}
      aria-pressed=${isPressed === undefined ? nothing : String(isPressed)}
      @click=${() => this.dispatchEvent(new CustomEvent('ow-action', { detail: name, bubbles: true }))}
    >
      <span class="codicon codicon-${icon}" aria-hidden="true"></span>
    </button>`;
  }
}
