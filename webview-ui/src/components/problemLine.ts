import { html, nothing } from 'lit';
import type { TemplateResult } from 'lit';

/** What is wrong with the task, below its text. */
export function problemLine(message: string | undefined): TemplateResult | typeof nothing {
  if (message === undefined) return nothing;
  return html`<div class="problem" id="task-problem">
    <span class="codicon codicon-error" aria-hidden="true"></span><span dir="auto">${message}</span>
  </div>`;
}
