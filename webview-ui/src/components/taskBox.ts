import { html, nothing } from 'lit';
import type { TemplateResult } from 'lit';
import type { VscodeTextarea } from '@vscode-elements/elements/dist/vscode-textarea/vscode-textarea.js';
import type { EngineOption, RunChoices } from '../../../src/protocol/runOptions.ts';
import type { Controller } from '../controller.ts';
import {
  allTools,
  chosenEngine,
  movedChoices,
  offeredEngines,
  requestChoices,
  taskProblem,
  toolScope,
} from '../model/choices.ts';
import type { TaskProblem } from '../model/choices.ts';
import type { PanelState } from '../model/panelState.ts';
import type { SavedState } from '../model/savedState.ts';
import { TaskHistory } from '../model/taskHistory.ts';
import { growField } from './growField.ts';
import { isCommandKey, isMac, LightElement } from './lightElement.ts';
import { overrideCount, overridesForm } from './overrides.ts';
import { problemLine } from './problemLine.ts';
import { taskChoice } from './taskChoice.ts';
import { toolPicker } from './toolPicker.ts';

/** The choice that lets the host make a session. */
const newSession = '';

/** Where the next task is written. */
export class TaskBoxElement extends LightElement {
  static override properties = {
    controller: { attribute: false },
    panel: { attribute: false },
    error: { state: true },
    opened: { state: true },
  };
  declare controller: Controller;
  declare panel: PanelState;
  declare private error: TaskProblem | undefined;
  /** What is folded open below the text. */
  declare private opened: 'tools' | 'overrides' | undefined;
  private readonly history = new TaskHistory();
  private sessionId: string | undefined;
  /** Chosen here since; until then it is that of the run above. */
  private engineId: string | undefined;
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

  private get engine(): EngineOption | undefined {
    const { options, run } = this.panel;
    if (options === undefined) return undefined;
    const { backend, engine } = this.controller.saved.choices ?? {};
    // A run above it that was done here says nothing of a backend.
    const ofRun = backend === undefined ? run?.engine : undefined;
    return chosenEngine(offeredEngines(options, backend), [this.engineId, ofRun, engine]);
  }

  /** Why the task cannot be run now; undefined where it can. */
  private get obstacle(): string | undefined {
    const { isConnected, connectionMessage, blocked, options } = this.panel;
    const { engine } = this;
    if (!isConnected) return connectionMessage ?? 'The core does not answer.';
    if (blocked !== undefined) return blocked;
    if (options === undefined) return 'Engines and tools are being loaded.';
    if (engine?.uses.includes('tools') === true && options.isLoading !== undefined) return options.isLoading;
    return engine?.problem;
  }

  protected override render(): unknown {
    const { problem } = this.panel;
    const { engine, obstacle } = this;
    const message = this.error?.message ?? problem?.message;
    const isTaskInvalid = this.error?.field === 'task' || problem?.field === 'task';
    const isSentence = engine?.takesSentence === true;
    const what = engine?.id.startsWith('agent:') === true ? 'What the agent is to do' : 'What is to be done';
    return html`<form
      class="task-box"
      aria-label="New task"
      @submit=${(event: Event) => event.preventDefault()}
      @keydown=${(event: KeyboardEvent) => this.onKey(event)}
    >
      <vscode-textarea
        class="task"
        .label=${isSentence ? `Task: ${what.toLowerCase()}` : 'Task: commands, one a line'}
        placeholder=${isSentence ? what : 'Commands, one a line: each becomes a step'}
        rows="1"
        ?invalid=${isTaskInvalid}
        @input=${() => this.onInput()}
      ></vscode-textarea>
      ${problemLine(message)}
      ${this.renderOpened(engine)}
      <div class="task-row">
        ${this.renderEngine(engine)} ${this.renderSession()} ${this.renderTools(engine)} ${this.renderOverrides(engine)}
        <span class="task-end">
          <span class="task-hint" aria-hidden="true">${isMac ? '⌘↵' : 'Ctrl+Enter'}</span>
          <vscode-button
            class="run"
            ?disabled=${obstacle !== undefined}
            title=${obstacle ?? `Run the task (${isMac ? 'Cmd' : 'Ctrl'}+Enter)`}
            @click=${() => this.run()}
          >
            <span slot="content-before" class="codicon codicon-play" aria-hidden="true"></span>Run
          </vscode-button>
        </span>
      </div>
    </form>`;
  }

  private renderEngine(engine: EngineOption | undefined): TemplateResult {
    const { options } = this.panel;
    const backend = this.controller.saved.choices?.backend;
    const engines = options === undefined ? [] : offeredEngines(options, backend);
    return taskChoice({
      label: 'Engine',
      options: engines.map(({ problem, ...one }) => ({ ...one, description: problem ?? one.description })),
      chosen: engine?.id,
      change: (id) => this.chooseEngine(id),
    });
  }

  private renderSession(): TemplateResult {
    const { sessions, problem } = this.panel;
    const made = { id: newSession, title: 'New session', description: 'Made for this task' };
    return taskChoice({
      label: 'Session',
      options: [...sessions.map(({ id, name, cwd }) => ({ id, title: name, description: cwd })), made],
      chosen: this.chosenSession,
      isInvalid: problem?.field === 'session',
      change: (id) => this.choose(id),
    });
  }

  private renderTools(engine: EngineOption | undefined): TemplateResult | typeof nothing {
    const { options, problem } = this.panel;
    if (engine?.uses.includes('tools') !== true || options === undefined) return nothing;
    const selection = this.controller.saved.tools ?? allTools;
    const isInvalid = this.error?.field === 'tools' || problem?.field === 'tools';
    return this.foldButton(
      'tools',
      'tools',
      `Tools: ${toolScope(selection, options.toolProviders)}`,
      isInvalid,
    );
  }

  private renderOverrides(engine: EngineOption | undefined): TemplateResult | typeof nothing {
    if (engine === undefined) return nothing;
    const count = overrideCount(engine, this.controller.saved.choices ?? {});
    return this.foldButton(
      'overrides',
      'settings-gear',
      count === 0 ? 'Options' : `Options: ${count} set`,
      false,
    );
  }

  private foldButton(
    part: 'tools' | 'overrides',
    icon: string,
    label: string,
    isInvalid: boolean,
  ): TemplateResult {
    const isOpen = this.opened === part;
    return html`<button
      type="button"
      class="fold-button ${isInvalid ? 'is-invalid' : ''}"
      aria-expanded=${String(isOpen)}
      aria-controls=${isOpen ? `task-${part}` : nothing}
      title=${label}
      @click=${() => (this.opened = isOpen ? undefined : part)}
    >
      <span class="codicon codicon-${icon}" aria-hidden="true"></span><bdi class="fold-label">${label}</bdi>
    </button>`;
  }

  private renderOpened(engine: EngineOption | undefined): TemplateResult | typeof nothing {
    const { options } = this.panel;
    const { saved } = this.controller;
    if (engine === undefined || options === undefined || this.opened === undefined) return nothing;
    if (this.opened === 'tools') {
      if (!engine.uses.includes('tools')) return nothing;
      return html`<div id="task-tools">${toolPicker({
        providers: options.toolProviders,
        selection: saved.tools ?? allTools,
        change: ({ mode, tools }) => this.keep({ tools: { mode, tools: [...tools] } }),
        connect: (provider) => this.controller.post({ type: 'connect', provider }),
      })}</div>`;
    }
    const choices = saved.choices ?? {};
    return html`<div id="task-overrides">${overridesForm({
      engine,
      options,
      choices,
      change: (part) => this.change({ ...choices, ...part }),
    })}</div>`;
  }

  private keep(part: Pick<SavedState, 'tools' | 'choices'>): void {
    this.controller.save(part);
    this.error = undefined;
    this.controller.clearProblem();
    this.requestUpdate();
  }

  private change(choices: RunChoices): void {
    const moved = movedChoices(this.controller.saved.choices, choices);
    if (moved !== choices) this.engineId = undefined;
    this.keep({ choices: moved });
  }

  private chooseEngine(engine: string): void {
    this.engineId = engine;
    this.keep({ choices: { ...this.controller.saved.choices, engine } });
  }

  protected override updated(): void {
    const { error } = this;
    const { problem } = this.panel;
    void this.area.updateComplete.then(() => {
      // The field is inside another component, which does not pass these on.
      const field = this.area.wrappedElement;
      const message = error?.message ?? (problem?.field === 'session' ? undefined : problem?.message);
      const isInvalid = error?.field === 'task' || problem?.field === 'task';
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

  private grow(): void {
    growField(this.area.wrappedElement);
  }

  private run(): void {
    const task = this.area.value;
    const { isConnected, options, run, problem } = this.panel;
    const { engine, obstacle } = this;
    if (!isConnected) return;
    if (obstacle !== undefined || engine === undefined) {
      // The button shows it; it is said again to those who do not see it.
      this.say(obstacle ?? 'Engines and tools are being loaded.');
      return;
    }
    const selection = this.controller.saved.tools ?? allTools;
    const providers = options?.toolProviders ?? [];
    this.error = taskProblem(task, engine, selection, providers);
    if (this.error !== undefined) {
      this.say(this.error.message);
      if (this.error.field === 'tools') this.opened = 'tools';
      else this.focus();
      return;
    }
    const sessionId = this.chosenSession;
    const choices: RunChoices = requestChoices(
      engine,
      this.controller.saved.choices ?? {},
      selection,
      providers,
    );
    this.controller.clearProblem();
    this.sent = { task, before: run?.id, problem };
    this.opened = undefined;
    const target = sessionId === newSession ? {} : { sessionId };
    this.controller.post({ type: 'run', task, ...target, choices });
  }

  private say(text: string): void {
    this.dispatchEvent(new CustomEvent('ow-say', { detail: text, bubbles: true }));
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
