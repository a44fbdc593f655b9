import { html, nothing, svg } from 'lit';
import type { TemplateResult } from 'lit';
import type { RunView } from '../../../src/protocol/runPanel.ts';
import { emptyDigest } from '../../../src/protocol/story/digest.ts';
import type { StoryDigest, StorySpan } from '../../../src/protocol/story/digest.ts';
import { formatCost, formatDuration, formatTokens, plural } from '../model/format.ts';
import { isActive } from '../model/panelState.ts';
import { visible } from '../model/visible.ts';
import { ticker } from '../ticker.ts';
import { LightElement } from './lightElement.ts';

/** Of the drawing, in its own units: it is stretched to the width there is. */
const width = 1_000;
const height = 24;

/** When what was done: steps and calls as bars over time, and what it has used as a line beside its sum. */
export class StoryTimelineElement extends LightElement {
  static override properties = {
    digest: { attribute: false },
    run: { attribute: false },
    clockOffset: { attribute: false },
  };
  declare digest: StoryDigest;
  declare run: RunView | null;
  declare clockOffset: number;
  private unsubscribe: (() => void) | undefined;

  constructor() {
    super();
    this.digest = emptyDigest;
    this.run = null;
    this.clockOffset = 0;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.unsubscribe?.();
    this.unsubscribe = undefined;
  }

  protected override render(): unknown {
    const { run, digest } = this;
    const calls = digest.spans.filter(({ kind }) => kind === 'call');
    if (run === null || (calls.length === 0 && digest.usage.length === 0)) return nothing;
    const from = run.startedAt ?? run.createdAt;
    const to = Math.max(from + 1, this.endOf(run));
    return html`<div class="story-timeline">
      ${calls.length === 0 ? nothing : this.renderBars(calls, from, to)}
      ${digest.usage.length === 0 ? nothing : this.renderUsage(from, to)}
    </div>`;
  }

  private endOf(run: RunView): number {
    if (run.endedAt !== undefined) return run.endedAt;
    const last = Math.max(
      0,
      ...this.digest.spans.map(({ from, to }) => to ?? from),
      ...this.digest.usage.map(({ time }) => time),
    );
    return isActive(run) ? Math.max(last, Date.now() + this.clockOffset) : last;
  }

  private renderBars(calls: readonly StorySpan[], from: number, to: number): TemplateResult {
    const at = (time: number): number => ((time - from) / (to - from)) * width;
    const bad = calls.filter(({ status }) => status === 'bad').length;
    const count = calls.reduce((sum, call) => sum + call.count, 0);
    const said = `Timeline: ${plural(count, 'call')} in ${formatDuration(to - from)}${bad > 0 ? `, ${bad} failed` : ''}`;
    return html`<svg class="bars" viewBox="0 0 ${width} ${height}" preserveAspectRatio="none" role="img" aria-label=${said}>
      ${calls.map(
        ({ from: start, to: end = to, status, label, ordinal, count: many }) =>
          svg`<rect
            class="call is-${status}"
            x=${at(start)} y="6" width=${Math.max(3, at(end) - at(start))} height="12"
            @click=${() => this.dispatchEvent(new CustomEvent('ow-event', { detail: ordinal, bubbles: true }))}
          ><title>${visible(label)}${many > 1 ? ` (${many})` : ''}, ${formatDuration(end - start)}</title></rect>`,
      )}
    </svg>`;
  }

  private renderUsage(from: number, to: number): TemplateResult {
    const { usage } = this.digest;
    const last = usage.at(-1);
    const most = Math.max(1, last?.tokens ?? 0);
    const points = usage.map(
      ({ time, tokens }) =>
        `${(((time - from) / (to - from)) * 100).toFixed(1)},${(height - 2 - (tokens / most) * (height - 4)).toFixed(1)}`,
    );
    const words = [
      formatTokens(last?.tokens ?? 0),
      ...((last?.cost ?? 0) > 0 ? [formatCost(last?.cost ?? 0)] : []),
    ].join(' · ');
    return html`<span class="usage" title="Tokens and cost up to here">
      <svg class="usage-plot" viewBox="0 0 100 ${height}" preserveAspectRatio="none" role="img" aria-label="Tokens over time">
        <polyline points=${[`0,${height - 2}`, ...points, `100,${points.at(-1)?.split(',')[1] ?? height}`].join(' ')} />
      </svg>
      <span class="usage-words">${words}</span>
    </span>`;
  }

  protected override updated(): void {
    const isRunning = this.isConnected && this.run !== null && isActive(this.run);
    if (isRunning) this.unsubscribe ??= ticker.subscribe(() => this.requestUpdate());
    else {
      this.unsubscribe?.();
      this.unsubscribe = undefined;
    }
  }
}
