import { html } from 'lit';
import type { TemplateResult } from 'lit';
import type { Controller } from '../controller.ts';
import { formatCount } from '../model/format.ts';
import type { PanelState } from '../model/panelState.ts';

/** A run event by event: the slider, its arrow keys, and the buttons beside it go through what happened. */
export function replayBar(controller: Controller, { at }: PanelState): TemplateResult {
  const { total } = controller.story;
  const now = at ?? total;
  const show = (event: number): void => {
    const next = Math.min(total, Math.max(1, Math.round(event)));
    controller.post({ type: 'showAt', at: next >= total ? null : next });
  };
  const button = (icon: string, label: string, to: number, isOff: boolean): TemplateResult =>
    html`<button
      type="button"
      class="icon-button"
      title=${label}
      aria-label=${label}
      ?disabled=${isOff}
      @click=${() => show(to)}
    >
      <span class="codicon codicon-${icon}" aria-hidden="true"></span>
    </button>`;
  return html`<div class="replay" role="group" aria-label="Step through the run">
    ${button('debug-step-back', 'Previous Event', now - 1, now <= 1)}
    <input
      type="range"
      min="1"
      max=${Math.max(1, total)}
      step="1"
      .value=${String(now)}
      aria-label="Event of the run"
      aria-valuetext=${`Event ${now} of ${total}`}
      @input=${(event: Event) => show((event.target as HTMLInputElement).valueAsNumber)}
    />
    ${button('debug-step-over', 'Next Event', now + 1, now >= total)}
    <span class="replay-count">${formatCount(now)} / ${formatCount(total)}</span>
  </div>`;
}
