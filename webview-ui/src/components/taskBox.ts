import { html, nothing } from 'lit';
import type { VscodeSingleSelect } from '@vscode-elements/elements/dist/vscode-single-select/vscode-single-select.js';
import type { VscodeTextarea } from '@vscode-elements/elements/dist/vscode-textarea/vscode-textarea.js';
import type { Controller } from '../controller.ts';
import type { PanelState } from '../model/panelState.ts';
import { TaskHistory } from '../model/taskHistory.ts';
import { isCommandKey, isMac, LightElement } from './lightElement.ts';

const maxTaskChars = 100_000;
const maxRows = 8;
/** The choice that lets the host make a session. */
const newSession = '';

/** Where the next task is written. */
export class TaskBoxElement extends LightElement {
  static override properties = {
    controller: { attribute: false },
    panel: { attribute: false },
    error: { state: true },
  };
  declare controller: Controller;
  declare panel: PanelState;
  declare private error: string | undefined;
  private readonly history = new TaskHistory();
  private sessionId: string | undefined;
  private offered: string | undefined;
  /** What was handed over: once its run is shown, the box is empty again. */
  private sent:
    | { readonly task: string; readonly before: string | undefined; readonly problem: PanelState['problem'] }
    | undefined;

  protected override willUpdate(): void {
    // What was refused is still to be run: another run that is shown later does not empty the box.
    const { problem } = this.panel;
    if (problem !== undefined && problem !== this.sent?.problem) this.sent = undefined;
    const { sent } = this;
    const runId = this.panel.run?.id;
    if (sent !== undefined && runId !== undefined && runId !== sent.before) {
      this.sent = undefined;
      if (this.area.value === sent.task) this.setTask('');
      this.controller.save({ draft: this.area.value });
    }
    this.history.setTasks(
      [...this.panel.history].sort((a, b) => b.createdAt - a.createdAt).map((entry) => entry.task),
    );
  }

  private get area(): VscodeTextarea {
    const element = this.querySelector<VscodeTextarea>('vscode-textarea');
    if (element === null) throw new Error('Not drawn yet.');
    return element;
  }

  override focus(): void {
    void this.area.updateComplete.then(() => this.area.wrappedElement.focus());
  }

  /** A text of the host's: what the person has written in the meantime stays. */
  offer(task: string): void {
    const { value } = this.area;
    if (value.trim() !== '' && value !== this.offered) return;
    this.offered = task;
    this.setTask(task);
  }

  setTask(task: string): void {
    this.area.value = task;
    this.history.reset();
    this.error = undefined;
    void this.area.updateComplete.then(() => {
      this.grow();
      const { wrappedElement } = this.area;
      wrappedElement.setSelectionRange(task.length, task.length);
    });
  }

  protected override firstUpdated(): void {
    const { draft } = this.controller.saved;
    if (draft !== undefined && draft !== '') this.setTask(draft);
    else void this.area.updateComplete.then(() => this.grow());
  }

  private get chosenSession(): string {
    const { sessions, run } = this.panel;
    const wanted = [this.sessionId, run?.sessionId, this.controller.saved.sessionId];
    if (wanted[0] === newSession) return newSession;
    return (
      wanted.find((id) => sessions.some((session) => session.id === id)) ?? sessions[0]?.id ?? newSession
    );
  }

  protected override render(): unknown {
    const { sessions, problem, run, isConnected, blocked } = this.panel;
    const message = this.error ?? problem?.message;
    const isTaskInvalid = this.error !== undefined || problem?.field === 'task';
    const chosen = this.chosenSession;
    const isAgent = run?.engine.startsWith('agent:') === true;
    return html`<form
      class="task-box"
      aria-label="New task"
      @submit=${(event: Event) => event.preventDefault()}
      @keydown=${(event: KeyboardEvent) => this.onKey(event)}
    >
      <vscode-textarea
        class="task"
        .label=${isAgent ? 'Task: what the agent is to do' : 'Task: commands, one a line'}
        placeholder=${isAgent ? 'What the agent is to do' : 'Commands, one a line: each becomes a step'}
        rows="1"
        ?invalid=${isTaskInvalid}
        @input=${() => this.onInput()}
      ></vscode-textarea>
      ${
        message === undefined
          ? nothing
          : html`<div class="problem" id="task-problem">
            <span class="codicon codicon-error" aria-hidden="true"></span><span dir="auto">${message}</span>
          </div>`
      }
      <div class="task-row">
        <span class="task-choice"><span class="task-label">Engine</span> ${isAgent ? run.engine : 'shell'}</span>
        <span class="task-choice">
          <span class="task-label" aria-hidden="true">Session</span>
          <vscode-single-select
            class="session"
            .label=${'Session'}
            position="above"
            ?invalid=${problem?.field === 'session'}
            @change=${(event: Event) => this.choose((event.target as VscodeSingleSelect).value)}
          >
            ${sessions.map(
              (session) =>
                html`<vscode-option value=${session.id} description=${session.cwd} ?selected=${session.id === chosen}
                  >${session.name}</vscode-option
                >`,
            )}
            <vscode-option value=${newSession} description="Made for this task" ?selected=${chosen === newSession}
              >New session</vscode-option
            >
          </vscode-single-select>
        </span>
        <span class="task-end">
          <span class="task-hint" aria-hidden="true">${isMac ? '⌘↵' : 'Ctrl+Enter'}</span>
          <vscode-button
            class="run"
            ?disabled=${!isConnected || blocked !== undefined}
            title=${blocked ?? `Run the task (${isMac ? 'Cmd' : 'Ctrl'}+Enter)`}
            @click=${() => this.run()}
          >
            <span slot="content-before" class="codicon codicon-play" aria-hidden="true"></span>Run
          </vscode-button>
        </span>
      </div>
    </form>`;
  }

  protected override updated(): void {
    const { error } = this;
    const { problem } = this.panel;
    void this.area.updateComplete.then(() => {
      // The field is inside another component, which does not pass these on.
      const field = this.area.wrappedElement;
      const message = error ?? (problem?.field === 'session' ? undefined : problem?.message);
      const isInvalid = error !== undefined || problem?.field === 'task';
      field.setAttribute('aria-invalid', String(isInvalid));
      field.setAttribute('aria-description', message ?? '');
      field.dir = 'auto';
      // Its own padding is too tight for text of several lines, and has no variable.
      field.style.padding = '4px 6px';
      this.grow();
    });
  }

  private choose(sessionId: string): void {
    this.sessionId = sessionId;
    this.controller.save({ sessionId });
    this.controller.clearProblem();
    this.requestUpdate();
  }

  private onInput(): void {
    this.error = undefined;
    this.history.reset();
    this.controller.clearProblem();
    this.controller.save({ draft: this.area.value });
    this.grow();
  }

  /** As high as its text, up to a few lines. */
  private grow(): void {
    const field = this.area.wrappedElement;
    field.style.height = 'auto';
    const style = getComputedStyle(field);
    const lineHeight = Number.parseFloat(style.lineHeight) || 18;
    const frame = field.offsetHeight - field.clientHeight;
    const padding = Number.parseFloat(style.paddingTop) + Number.parseFloat(style.paddingBottom);
    const height = Math.min(field.scrollHeight, maxRows * lineHeight + padding) + frame;
    field.style.height = `${height}px`;
    field.style.overflowY = field.scrollHeight + frame > height + 1 ? 'auto' : 'hidden';
  }

  private run(): void {
    const task = this.area.value;
    const { isConnected, blocked } = this.panel;
    if (!isConnected) return;
    if (blocked !== undefined) {
      // The banner shows it; it is said again to those who do not see it.
      this.dispatchEvent(new CustomEvent('ow-say', { detail: blocked, bubbles: true }));
      return;
    }
    if (task.trim() === '') this.error = 'Write a task first: commands, one a line.';
    else if (task.length > maxTaskChars) this.error = 'The task is too long: at most 100,000 characters.';
    else {
      const sessionId = this.chosenSession;
      this.error = undefined;
      const { run, problem } = this.panel;
      this.controller.clearProblem();
      this.sent = { task, before: run?.id, problem };
      this.controller.post({ type: 'run', task, ...(sessionId === newSession ? {} : { sessionId }) });
      return;
    }
    this.dispatchEvent(new CustomEvent('ow-say', { detail: this.error, bubbles: true }));
    this.focus();
  }

  private onKey(event: KeyboardEvent): void {
    if (event.key === 'Enter' && isCommandKey(event)) {
      event.preventDefault();
      this.run();
      return;
    }
    const field = this.area.wrappedElement;
    if (event.composedPath()[0] !== field || event.isComposing) return;
    if (event.key === 'Escape') {
      event.stopPropagation();
      this.dispatchEvent(new CustomEvent('ow-leave', { bubbles: true }));
      return;
    }
    if (
      event.altKey ||
      event.ctrlKey ||
      event.metaKey ||
      event.shiftKey ||
      field.selectionStart !== field.selectionEnd
    )
      return;
    const isFirst = !field.value.slice(0, field.selectionStart).includes('\n');
    const isLast = !field.value.slice(field.selectionEnd).includes('\n');
    const task =
      event.key === 'ArrowUp' && isFirst
        ? this.history.older(field.value)
        : event.key === 'ArrowDown' && isLast
          ? this.history.newer()
          : undefined;
    if (task === undefined) return;
    event.preventDefault();
    this.recall(task, event.key === 'ArrowUp');
  }

  private recall(task: string, isUp: boolean): void {
    this.area.value = task;
    this.controller.save({ draft: task });
    void this.area.updateComplete.then(() => {
      this.grow();
      // At the edge, so that the same key goes on through the history.
      const at = isUp ? (task.split('\n')[0] ?? '').length : task.length;
      this.area.wrappedElement.setSelectionRange(at, at);
    });
  }
}
