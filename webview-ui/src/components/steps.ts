import { html, nothing } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import type { RunView } from '../../../src/protocol/runPanel.ts';
import type { Controller } from '../controller.ts';
import { firstErrorLine } from '../model/firstError.ts';
import { plural } from '../model/format.ts';
import type { Match } from '../model/find.ts';
import type { OutputLink } from '../model/links.ts';
import { isActive, isFailure, openSteps } from '../model/panelState.ts';
import type { PanelState } from '../model/panelState.ts';
import { Tail } from '../tail.ts';
import { isTextField, LightElement } from './lightElement.ts';
import type { OutputElement } from './output.ts';
import { stepRow } from './stepRow.ts';
import type { StepActions } from './stepRow.ts';

/** Below the newest output this much of what comes next stays visible. */
const peekPx = 84;

/** The steps and their output, in one scroller. */
export class StepsElement extends LightElement {
  static override properties = {
    controller: { attribute: false },
    panel: { attribute: false },
    currentStep: { state: true },
    newLines: { state: true },
  };
  declare controller: Controller;
  declare panel: PanelState;
  declare private currentStep: number;
  declare private newLines: number;

  private tail: Tail | undefined;
  private runId: string | undefined;
  /** Where the newest output ended when the person scrolled away from it. */
  private leftAt = 0;
  /** A failed step whose first error line is to be shown once its output is here. */
  private failedStep: number | undefined;
  private restoreTop: number | undefined;
  private resizes: ResizeObserver | undefined;
  private isPaintRequested = false;

  constructor() {
    super();
    this.currentStep = 1;
    this.newLines = 0;
  }

  private get scroller(): HTMLElement {
    const element = this.querySelector<HTMLElement>('.scroller');
    if (element === null) throw new Error('Not drawn yet.');
    return element;
  }

  private get outputElements(): NodeListOf<OutputElement> {
    return this.querySelectorAll<OutputElement>('ow-output');
  }

  private readonly actions: StepActions = {
    toggle: (step) => this.toggle(step),
    copyOutput: (step) => this.controller.post({ type: 'copyOutput', step }),
    openOutput: (step) => this.controller.post({ type: 'openOutput', step }),
    openTerminal: (terminalId) => this.controller.post({ type: 'openTerminal', terminalId }),
    retryFrom: (fromStep) => {
      const runId = this.panel.run?.id;
      if (runId !== undefined) this.controller.post({ type: 'retry', runId, fromStep });
    },
  };

  protected override willUpdate(changed: Map<string, unknown>): void {
    const { run } = this.panel;
    if (run === null) return;
    const before = changed.get('panel') as PanelState | undefined;
    if (run.id !== this.runId) this.startRun(run);
    else if (before?.run?.id === run.id) {
      const failed = run.steps.find(
        (step) =>
          isFailure(step.status) &&
          before.run?.steps.some((old) => old.index === step.index && !isFailure(old.status)),
      );
      // Who reads something else is not pulled away from it.
      if (failed !== undefined && this.tail?.isFollowing !== false) this.failedStep = failed.index;
    }
    const active = run.steps.find((step) => step.status === 'running' || isFailure(step.status));
    if (changed.has('panel') && active !== undefined && !this.contains(document.activeElement))
      this.currentStep = active.index;
    if (this.currentStep > run.steps.length) this.currentStep = 1;
  }

  private startRun(run: RunView): void {
    const { saved } = this.controller;
    this.runId = run.id;
    const isRestored = saved.runId === run.id && saved.scrollTop !== undefined && saved.isTailing === false;
    this.restoreTop = isRestored ? saved.scrollTop : undefined;
    this.failedStep = isRestored ? undefined : run.steps.find((step) => isFailure(step.status))?.index;
    if (this.tail !== undefined) this.tail.isFollowing = !isRestored;
    this.newLines = 0;
    this.currentStep = this.failedStep ?? 1;
  }

  protected override render(): unknown {
    const { run } = this.panel;
    if (run === null) return nothing;
    const open = openSteps(this.panel);
    return html`
      <div class="scroller" @ow-link=${(event: CustomEvent<OutputLink>) => this.onLink(event)} @ow-open-output=${(event: CustomEvent<number>) => this.actions.openOutput(event.detail)}>
        ${
          run.error === undefined
            ? nothing
            : html`<p class="message is-error"><span class="codicon codicon-error" aria-hidden="true"></span><span dir="auto">${run.error}</span></p>`
        }
        ${
          run.notice === undefined
            ? nothing
            : html`<p class="message"><span class="codicon codicon-info" aria-hidden="true"></span><span dir="auto">${run.notice}</span></p>`
        }
        <ol class="steps" @keydown=${(event: KeyboardEvent) => this.onKey(event)}>
          ${repeat(
            run.steps,
            (step) => `${run.id}/${step.index}`,
            (step) =>
              stepRow(
                {
                  step,
                  isOpen: open.has(step.index),
                  isCurrent: step.index === this.currentStep,
                  canRetry: !isActive(run) && this.panel.isConnected,
                  clockOffset: this.panel.clockOffset,
                  output: this.controller.outputs.get(step.index),
                },
                this.actions,
              ),
          )}
        </ol>
      </div>
      ${
        this.newLines > 0
          ? html`<button type="button" class="new-lines" @click=${() => this.followAgain()}>
            ${plural(this.newLines, 'new line')}<span class="codicon codicon-arrow-down" aria-hidden="true"></span>
          </button>`
          : nothing
      }
    `;
  }

  protected override updated(): void {
    if (this.panel.run !== null && this.tail === undefined) {
      this.tail = new Tail(
        this.scroller,
        () => this.tailTop(),
        () => this.onTailChange(),
      );
      if (this.restoreTop !== undefined) this.tail.isFollowing = false;
      this.scroller.addEventListener('scroll', () => this.requestPaint(), { passive: true });
      this.scroller.addEventListener('scrollend', () => this.savePlace());
      this.resizes = new ResizeObserver(() => this.requestPaint());
      this.resizes.observe(this.scroller);
    }
    this.requestPaint();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.resizes?.disconnect();
    this.resizes = undefined;
    this.tail = undefined;
  }

  /** Draws output at the next frame; asked for by scrolling, resizing and new state. */
  requestPaint(): void {
    if (this.isPaintRequested) return;
    this.isPaintRequested = true;
    requestAnimationFrame(() => {
      this.isPaintRequested = false;
      this.paint();
    });
  }

  paint(): void {
    if (!this.isConnected || this.tail === undefined || this.panel.run === null) return;
    const { scroller } = this;
    for (const element of this.outputElements) {
      element.output = this.controller.outputs.get(element.step);
      element.paint(scroller);
    }
    this.showError();
    if (this.restoreTop !== undefined && scroller.scrollHeight - scroller.clientHeight >= this.restoreTop) {
      scroller.scrollTop = this.restoreTop;
      this.restoreTop = undefined;
    }
    if (this.followed !== undefined) {
      if (this.tail.isFollowing) {
        this.tail.pin();
        this.leftAt = this.newestLine();
      }
      this.newLines = this.tail.isFollowing ? 0 : Math.max(0, this.newestLine() - this.leftAt);
    } else this.newLines = 0;
  }

  /** The running step, when it is open: the one whose end is followed. */
  private get followed(): OutputElement | undefined {
    const running = this.panel.run?.steps.find((step) => step.status === 'running');
    return [...this.outputElements].find((element) => element.step === running?.index);
  }

  private newestLine(): number {
    return this.followed?.output?.buffer.endLine ?? 0;
  }

  private tailTop(): number {
    const { scroller, followed } = this;
    const most = scroller.scrollHeight - scroller.clientHeight;
    if (followed === undefined) return most;
    const end =
      followed.getBoundingClientRect().bottom - scroller.getBoundingClientRect().top + scroller.scrollTop;
    return Math.max(
      0,
      Math.min(most, end + Math.min(peekPx, scroller.clientHeight / 4) - scroller.clientHeight),
    );
  }

  private onTailChange(): void {
    this.leftAt = this.newestLine();
    this.savePlace();
    this.requestPaint();
  }

  private followAgain(): void {
    this.tail?.follow();
    this.requestPaint();
  }

  private savePlace(): void {
    const isTailing = this.tail?.isFollowing ?? true;
    this.controller.save({ scrollTop: this.scroller.scrollTop, isTailing });
  }

  private showError(): void {
    const { failedStep } = this;
    if (failedStep === undefined) return;
    const step = this.panel.run?.steps.find((candidate) => candidate.index === failedStep);
    const output = this.controller.outputs.get(failedStep);
    // Until all of its output is here, the first error may be yet to come.
    if (
      step === undefined ||
      output === undefined ||
      output.receivedBytes < step.outputBytes ||
      this.controller.outputs.hasPending
    )
      return;
    this.failedStep = undefined;
    const line =
      firstErrorLine(output.buffer) ?? Math.max(output.buffer.firstLine, output.buffer.endLine - 1);
    this.revealLine(failedStep, line, 0.25);
  }

  /** Scrolls a line into view unless it is there already. `at` is where, from 0 (top) to 1 (bottom). */
  revealLine(stepIndex: number, line: number, at = 0.4): void {
    const { scroller } = this;
    const element = [...this.outputElements].find((candidate) => candidate.step === stepIndex);
    if (element === undefined) return;
    // Twice: the first may go by guessed heights, the second goes by what was drawn there.
    for (let pass = 0; pass < 2; pass++) {
      const top = element.lineTop(line, scroller);
      const head = 40;
      if (top < head || top > scroller.clientHeight - 40) {
        scroller.scrollTop += top - Math.max(head, scroller.clientHeight * at);
      }
      element.paint(scroller);
    }
    this.requestPaint();
  }

  /** Marks what was found; `isMoving` when the person goes to a match, so that it is to be seen. */
  setMatches(matches: readonly Match[], current: Match | undefined, isMoving = false): void {
    if (isMoving && current !== undefined) this.tail?.leave();
    for (const element of this.outputElements) {
      element.setMatches(
        matches.filter((match) => match.step === element.step),
        current,
      );
    }
    if (isMoving && current !== undefined) this.revealLine(current.step, current.line);
  }

  private toggle(index: number): void {
    const isOpen = openSteps(this.panel).has(index);
    this.currentStep = index;
    // Opening an older step is reading it: the newest output must not pull it away.
    if (!isOpen && this.panel.run?.steps.some((step) => step.status === 'running' && step.index !== index))
      this.tail?.leave();
    this.controller.setStepOpen(index, !isOpen);
  }

  /** Keys that move between steps: from anywhere in the panel when nothing is typed. */
  onKey(event: KeyboardEvent): void {
    const { run } = this.panel;
    if (run === null || event.defaultPrevented || isTextField(event)) return;
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const isOnStep = event.target instanceof Element && event.target.classList.contains('step-toggle');
    const { key } = event;
    const isOpen = openSteps(this.panel).has(this.currentStep);
    if (key === 'j' || key === 'J' || (key === 'ArrowDown' && isOnStep))
      this.focusStep(this.currentStep + (isOnStep ? 1 : 0));
    else if (key === 'k' || key === 'K' || (key === 'ArrowUp' && isOnStep))
      this.focusStep(this.currentStep - (isOnStep ? 1 : 0));
    else if (key === 'Home' && isOnStep) this.focusStep(1);
    else if (key === 'End' && isOnStep) this.focusStep(run.steps.length);
    else if (isOnStep && ((key === 'ArrowRight' && !isOpen) || (key === 'ArrowLeft' && isOpen)))
      this.toggle(this.currentStep);
    else return;
    event.preventDefault();
  }

  focusStep(index: number): void {
    const count = this.panel.run?.steps.length ?? 0;
    if (count === 0) return;
    this.currentStep = Math.min(count, Math.max(1, index));
    this.tail?.leave();
    void this.updateComplete.then(() => {
      const row = this.querySelector<HTMLElement>(`#step-${this.currentStep}`);
      row?.focus({ preventScroll: true });
      row?.closest('li')?.scrollIntoView({ block: 'nearest' });
    });
  }

  private onLink(event: CustomEvent<OutputLink>): void {
    const link = event.detail;
    if (link.kind === 'url') this.controller.post({ type: 'openLink', url: link.url });
    else {
      const column = link.column === undefined ? {} : { column: link.column };
      this.controller.post({ type: 'openFile', path: link.path, line: link.line, ...column });
    }
  }
}
