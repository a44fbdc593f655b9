import { html, nothing } from 'lit';
import type { TemplateResult } from 'lit';
import type { Controller, PanelListener } from '../controller.ts';
import { findMatches, matchFrom, maxMatches } from '../model/find.ts';
import type { Match } from '../model/find.ts';
import { openSteps, showsSteps } from '../model/panelState.ts';
import type { PanelState } from '../model/panelState.ts';
import type { FindBarElement } from './findBar.ts';
import type { HeaderElement } from './header.ts';
import { isCommandKey, isTextField, LightElement } from './lightElement.ts';
import { replayBar } from './replayBar.ts';
import type { StepsElement } from './steps.ts';
import type { StoryElement } from './story.ts';
import type { TaskBoxElement } from './taskBox.ts';

/** While output streams, the find box counts again this often. */
const findAgainMs = 300;

/** The whole panel: puts its parts together and owns the keys that work everywhere in it. */
export class PanelElement extends LightElement implements PanelListener {
  static override properties = {
    panel: { state: true },
    isFindOpen: { state: true },
    isHistoryOpen: { state: true },
    isReplayOpen: { state: true },
    found: { state: true },
    match: { state: true },
    said: { state: true },
  };
  controller!: Controller;
  declare private panel: PanelState;
  declare private isFindOpen: boolean;
  declare private isHistoryOpen: boolean;
  declare private isReplayOpen: boolean;
  declare private found: readonly Match[];
  declare private match: number;
  declare private said: string;
  private findTimer: number | undefined;

  start(controller: Controller): void {
    this.controller = controller;
    this.panel = controller.state;
    this.isFindOpen = false;
    this.isReplayOpen = false;
    this.isHistoryOpen = controller.saved.isHistoryOpen ?? false;
    this.found = [];
    this.match = 0;
    this.said = '';
    document.addEventListener('keydown', (event) => this.onKey(event));
    addEventListener('pagehide', () => controller.flush());
    this.addEventListener('ow-action', (event) => this.onAction((event as CustomEvent<string>).detail));
    this.addEventListener('ow-say', (event) => this.onAnnouncement((event as CustomEvent<string>).detail));
    this.addEventListener('ow-leave', () => this.leaveTaskBox());
    controller.start(this);
  }

  onState(state: PanelState): void {
    if (state.run?.id !== this.panel.run?.id) {
      this.isHistoryOpen = this.panel.isReady ? false : this.isHistoryOpen;
      this.isReplayOpen = false;
      this.closeFind(false);
    }
    const isFirst = !this.panel.isReady && state.isReady;
    this.panel = state;
    // Nothing to watch: the person came to write a task. Focus is taken only from the panel itself.
    if (isFirst && state.run === null && document.hasFocus())
      void this.updateComplete.then(() => this.taskBox?.focus());
  }

  onOutput(): void {
    this.steps?.paint();
    if (this.isFindOpen) this.findTimer ??= setTimeout(() => this.findAgain(), findAgainMs);
  }

  onAnnouncement(text: string): void {
    // The same words twice would not be said again.
    this.said = text === this.said ? `${text}\u00a0` : text;
  }

  onDraft(text: string): void {
    void this.updateComplete.then(() => {
      this.taskBox?.offer(text);
      this.taskBox?.focus();
    });
  }

  private get steps(): StepsElement | null {
    return this.querySelector<StepsElement>('ow-steps');
  }

  private get taskBox(): TaskBoxElement | null {
    return this.querySelector<TaskBoxElement>('ow-task-box');
  }

  protected override render(): unknown {
    const { panel, controller } = this;
    if (!panel.isReady) return html`<div class="panel is-waiting" aria-busy="true"></div>`;
    const showsHistory = panel.run === null || this.isHistoryOpen;
    return html`<div class="panel">
      ${this.renderBanner()}
      <ow-header .controller=${controller} .panel=${panel} .isHistoryOpen=${this.isHistoryOpen} .isReplayOpen=${this.isReplayOpen}></ow-header>
      <main class="main"><div class="stage">
        ${
          showsHistory
            ? html`<div class="scroller"><ow-history .controller=${controller} .panel=${panel}></ow-history></div>`
            : this.renderRun()
        }
        ${
          this.isFindOpen && !showsHistory
            ? html`<ow-find-bar
              .count=${this.found.length}
              .position=${this.match}
              .isMore=${this.found.length >= maxMatches}
              @ow-find=${() => this.find()}
              @ow-find-move=${(event: CustomEvent<number>) => this.moveMatch(event.detail)}
              @ow-find-close=${() => this.closeFind(true)}
            ></ow-find-bar>`
            : nothing
        }
      </div>
      ${
        showsHistory
          ? nothing
          : html`${
              panel.run.hasStory
                ? html`<ow-story-timeline
                  .digest=${controller.story.digest}
                  .run=${panel.run}
                  .clockOffset=${panel.clockOffset}
                  @ow-event=${(event: CustomEvent<number>) => this.story?.reveal(event.detail)}
                ></ow-story-timeline>`
                : html`<ow-timeline
                  .run=${panel.run}
                  .clockOffset=${panel.clockOffset}
                  @ow-step=${(event: CustomEvent<number>) => this.steps?.focusStep(event.detail)}
                ></ow-timeline>`
            }
            ${this.isReplayOpen ? replayBar(controller, panel) : nothing}`
      }
      </main>
      <ow-task-box .controller=${controller} .panel=${panel}></ow-task-box>
      <div class="sr-only" role="status" aria-live="polite">${this.said}</div>
    </div>`;
  }

  onStory(): void {
    this.story?.requestPaint();
    this.requestUpdate();
  }

  private get story(): StoryElement | null {
    return this.querySelector<StoryElement>('ow-story');
  }

  private renderRun(): TemplateResult {
    const { panel, controller } = this;
    if (panel.run?.hasStory === true)
      return html`<ow-story .controller=${controller} .panel=${panel}></ow-story>`;
    const steps = html`<ow-steps .controller=${controller} .panel=${panel}></ow-steps>`;
    if (panel.run?.containerTask === undefined) return steps;
    return html`<div class="task-stage">
      <ow-task-view .controller=${controller} .panel=${panel}></ow-task-view>
      ${showsSteps(panel.run) ? steps : nothing}
    </div>`;
  }

  private renderBanner(): TemplateResult | typeof nothing {
    const { isConnected, connectionMessage, banner } = this.panel;
    const text = isConnected
      ? banner
      : (connectionMessage ??
        'The connection to the core was lost. What runs goes on; this shows it again once connected.');
    if (text === undefined || text === '') return nothing;
    return html`<div class="banner ${isConnected ? '' : 'is-warning'}" role="region" aria-label="Connection">
      <span class="codicon codicon-${isConnected ? 'info' : 'debug-disconnect'}" aria-hidden="true"></span>
      <span dir="auto">${text}</span>
    </div>`;
  }

  private onAction(name: string): void {
    if (name === 'find') this.openFind();
    else if (name === 'history') {
      this.isHistoryOpen = !this.isHistoryOpen;
      this.controller.save({ isHistoryOpen: this.isHistoryOpen });
    } else if (name === 'replay') this.toggleReplay();
  }

  /** From now on the run as it was after an event; closed, as it is. */
  private toggleReplay(): void {
    this.isReplayOpen = !this.isReplayOpen;
    this.isHistoryOpen = false;
    if (this.isReplayOpen) {
      // A run whose output tells all has no count of its events until it is asked for.
      this.controller.post({ type: 'showAt', at: null });
      void this.updateComplete.then(() => this.querySelector<HTMLElement>('.replay input')?.focus());
    } else if (this.panel.at !== undefined) this.controller.post({ type: 'showAt', at: null });
  }

  private leaveTaskBox(): void {
    const steps = this.querySelector<HTMLElement>(
      '.step-toggle[tabindex="0"], .entry-toggle[tabindex="0"], .run-entry',
    );
    if (steps === null) (document.activeElement as HTMLElement | null)?.blur();
    else steps.focus({ preventScroll: true });
  }

  private onKey(event: KeyboardEvent): void {
    if (event.defaultPrevented || !this.panel.isReady || this.panel.run === null) return;
    if (isCommandKey(event) && event.key.toLowerCase() === 'f' && !event.shiftKey && !event.altKey)
      this.openFind();
    else if (event.key === 'F3' && this.isFindOpen) this.moveMatch(event.shiftKey ? -1 : 1);
    // By place, not by letter: Option+A types another letter on a Mac.
    else if (event.altKey && event.code === 'KeyA' && !event.ctrlKey && !event.metaKey) {
      this.querySelector<HeaderElement>('ow-header')?.abort();
    } else if (event.key === 'Escape' && this.isFindOpen && !isTextField(event)) this.closeFind(true);
    else {
      if (!this.isHistoryOpen) (this.story ?? this.steps)?.onKey(event);
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  private openFind(): void {
    const { run } = this.panel;
    if (run === null || !showsSteps(run)) return;
    this.isHistoryOpen = false;
    this.isFindOpen = true;
    void this.updateComplete.then(() => this.findBar?.focus());
  }

  private get findBar(): FindBarElement | null {
    return this.querySelector<FindBarElement>('ow-find-bar');
  }

  private closeFind(returnsFocus: boolean): void {
    if (!this.isFindOpen) return;
    this.isFindOpen = false;
    this.found = [];
    this.steps?.setMatches([], undefined);
    clearTimeout(this.findTimer);
    this.findTimer = undefined;
    if (returnsFocus) this.leaveTaskBox();
  }

  private search(): readonly Match[] {
    const bar = this.findBar;
    if (bar === null) return [];
    const open = openSteps(this.panel);
    const sources = [...this.controller.outputs.entries()]
      .filter(([step]) => open.has(step))
      .sort((a, b) => a[0] - b[0])
      .map(([step, output]) => [step, output.buffer] as const);
    return findMatches(sources, bar.query, bar.isCaseSensitive);
  }

  private find(): void {
    const from = this.found[this.match];
    this.found = this.search();
    this.match = from === undefined ? 0 : matchFrom(this.found, from.step, from.line);
    this.steps?.setMatches(this.found, this.found[this.match], true);
  }

  /** New output came: count again, but stay where the person is. */
  private findAgain(): void {
    this.findTimer = undefined;
    const current = this.found[this.match];
    this.found = this.search();
    if (current !== undefined) this.match = matchFrom(this.found, current.step, current.line);
    this.steps?.setMatches(this.found, this.found[this.match]);
  }

  private moveMatch(by: number): void {
    const count = this.found.length;
    if (count === 0) return;
    this.match = (this.match + by + count) % count;
    this.steps?.setMatches(this.found, this.found[this.match], true);
  }
}
