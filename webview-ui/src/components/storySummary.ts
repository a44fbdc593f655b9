import { html, nothing } from 'lit';
import type { TemplateResult } from 'lit';
import type { RunView } from '../../../src/protocol/runPanel.ts';
import type { SummaryEntry } from '../../../src/protocol/story/story.ts';
import { formatCost, formatDuration, formatTokens, plural } from '../model/format.ts';
import { visible } from '../model/visible.ts';

const words: Readonly<Record<string, string>> = {
  success: 'Succeeded',
  succeeded: 'Succeeded',
  completed: 'Ended',
  failed: 'Failed',
  cancelled: 'Cancelled',
  timeout: 'Timed out',
  timed_out: 'Timed out',
};

const reasons: Readonly<Record<string, string>> = {
  DONE: 'done',
  FAIL: 'gave up',
  MAX_STEPS_REACHED: 'at its limit of steps or time',
};

/** The end of a run in one row: how, why, and what it took. */
export function summaryEntry({ status, reason, error }: SummaryEntry, run: RunView): TemplateResult {
  const tone = /^succe/.test(status) ? 'good' : status === 'cancelled' ? 'plain' : 'bad';
  const icon = tone === 'good' ? 'pass' : tone === 'plain' ? 'circle-slash' : 'error';
  const steps = run.steps.length;
  const took =
    run.endedAt === undefined ? [] : [formatDuration(run.endedAt - (run.startedAt ?? run.createdAt))];
  const { usage } = run;
  const facts = [
    ...(steps > 0 ? [plural(steps, 'step')] : []),
    ...took,
    ...(usage === undefined
      ? []
      : [
          `${formatTokens(usage.inputTokens)} in`,
          `${formatTokens(usage.outputTokens)} out`,
          ...(usage.costUsd > 0 ? [formatCost(usage.costUsd)] : []),
        ]),
  ];
  return html`<div class="entry entry-summary is-${tone}">
    <span class="codicon codicon-${icon}" aria-hidden="true"></span>
    <span class="entry-name">${words[status] ?? visible(status)}</span>
    ${
      // What went wrong says it better than its name.
      error === ''
        ? html`<span class="summary-reason" title=${visible(reason)}>${reasons[reason] ?? visible(reason)}</span>`
        : nothing
    }
    <span class="summary-facts">${facts.join(' · ')}</span>
    ${error === '' ? nothing : html`<p class="summary-error" dir="auto">${visible(error)}</p>`}
  </div>`;
}
