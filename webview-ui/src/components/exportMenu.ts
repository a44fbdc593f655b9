import { html } from 'lit';
import type { TemplateResult } from 'lit';
import type { PanelMessage } from '../../../src/protocol/runPanel.ts';
import type { Controller } from '../controller.ts';

type ExportAs = Extract<PanelMessage, { type: 'export' }>['as'];

const choices: readonly (readonly [as: ExportAs, icon: string, label: string])[] = [
  ['document', 'go-to-file', 'Open as Document'],
  ['curl', 'copy', 'Copy as cURL'],
  ['json', 'json', 'Export as JSON'],
  ['html', 'export', 'Export as HTML'],
];

/** What a run can be taken away as. A disclosure of the page's own: it opens and closes without a script of ours. */
export function exportMenu(runId: string, controller: Controller): TemplateResult {
  const close = (target: EventTarget | null): void => {
    const menu = target instanceof Element ? target.closest('details') : null;
    if (menu === null) return;
    menu.open = false;
    menu.querySelector('summary')?.focus();
  };
  return html`<details
    class="menu"
    @keydown=${(event: KeyboardEvent) => {
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      close(event.target);
    }}
    @focusout=${(event: FocusEvent) => {
      const menu = event.currentTarget as HTMLDetailsElement;
      const next = event.relatedTarget;
      if (!(next instanceof Node) || !menu.contains(next)) menu.open = false;
    }}
  >
    <summary class="icon-button" title="Export the Run" aria-label="Export the Run">
      <span class="codicon codicon-ellipsis" aria-hidden="true"></span>
    </summary>
    <ul class="menu-items">
      ${choices.map(
        ([as, icon, label]) =>
          html`<li>
            <button
              type="button"
              class="menu-item"
              @click=${(event: Event) => {
                close(event.target);
                controller.post({ type: 'export', runId, as });
              }}
            >
              <span class="codicon codicon-${icon}" aria-hidden="true"></span>${label}
            </button>
          </li>`,
      )}
    </ul>
  </details>`;
}
