import { html, nothing } from 'lit';
import type { RunView } from '../../../src/protocol/runPanel.ts';
import { firstLineOf, formatDuration } from '../model/format.ts';
import { hasStarted, statusWord } from '../model/panelState.ts';
import { ticker } from '../ticker.ts';
import { LightElement } from './lightElement.ts';

/** How long each step took against the others. What it shows is in the rows too, so it is one picture to the ear. */
export class TimelineElement extends LightElement {
  static override properties = { run: { attribute: false }, clockOffset: { attribute: false } };
  declare run: RunView | null;
  declare clockOffset: number;
  private unsubscribe: (() => void) | undefined;

  constructor() {
    super();
    this.run = null;
    this.clockOffset = 0;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.unsubscribe?.();
    this.unsubscribe = undefined;
  }

  protected override render(): unknown {
    const { run } = this;
    if (run === null || run.steps.length < 2) return nothing;
    const said = run.steps.map((step) => `step ${step.index} ${statusWord(step.status)}`).join(', ');
    return html`<div class="timeline" role="img" aria-label="Timeline: ${said}">
      ${run.steps.map(
        (step) =>
          html`<span
            class="bar status-of-${step.status}"
            data-step=${step.index}
            title="${step.index}  ${firstLineOf(step.command)} (${statusWord(step.status)}${
              hasStarted(step) ? `, ${formatDuration(this.timeOf(step.index))}` : ''
            })"
            @click=${() => this.dispatchEvent(new CustomEvent('ow-step', { detail: step.index, bubbles: true }))}
          ></span>`,
      )}
    </div>`;
  }

  private timeOf(index: number): number {
    const step = this.run?.steps.find((candidate) => candidate.index === index);
    if (step === undefined) return 0;
    if (step.status !== 'running') return step.durationMs ?? 0;
    return step.startedAt === undefined ? 0 : Date.now() + this.clockOffset - step.startedAt;
  }

  protected override updated(): void {
    const isRunning = this.run?.steps.some((step) => step.status === 'running') ?? false;
    if (isRunning && this.isConnected) this.unsubscribe ??= ticker.subscribe(() => this.requestUpdate());
    else {
      this.unsubscribe?.();
      this.unsubscribe = undefined;
    }
    const total = (this.run?.steps ?? []).reduce((sum, step) => sum + this.timeOf(step.index), 0);
    for (const bar of this.querySelectorAll<HTMLElement>('.bar')) {
      const time = this.timeOf(Number(bar.dataset['step']));
      // What has not run yet keeps a share of its own: the strip tells how much is left, too.
      bar.style.flexGrow = String(total === 0 ? 1 : Math.max(0.04, time / total));
    }
  }
}
