import { html } from 'lit';
import type { TemplateResult } from 'lit';
import type { RunView, StepView } from '../../../src/protocol/runPanel.ts';
import { isMotionReduced } from './lightElement.ts';

type Status = RunView['status'] | StepView['status'];

const icons: Record<Status, string> = {
  pending: 'circle-outline',
  queued: 'circle-outline',
  running: 'loading',
  succeeded: 'pass',
  failed: 'error',
  cancelled: 'circle-slash',
  timed_out: 'watch',
  skipped: 'circle-slash',
};

/** The icon beside the word: it says nothing that the word does not say, so screen readers leave it out. */
export function statusIcon(status: Status): TemplateResult {
  const name =
    status !== 'running' ? icons[status] : isMotionReduced() ? 'sync' : 'loading codicon-modifier-spin';
  return html`<span class="codicon codicon-${name} status-icon status-${status}" aria-hidden="true"></span>`;
}
