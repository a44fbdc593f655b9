import { html } from 'lit';
import type { TemplateResult } from 'lit';
import type { VscodeSingleSelect } from '@vscode-elements/elements/dist/vscode-single-select/vscode-single-select.js';

export interface TaskChoice {
  /** Also the name of its class, in lower case. */
  readonly label: string;
  readonly options: readonly { readonly id: string; readonly title: string; readonly description: string }[];
  readonly chosen: string | undefined;
  readonly isInvalid?: boolean;
  readonly change: (id: string) => void;
}

/** A picker in the row below the task. */
export function taskChoice({
  label,
  options,
  chosen,
  isInvalid = false,
  change,
}: TaskChoice): TemplateResult {
  return html`<span class="task-choice">
    <span class="task-label" aria-hidden="true">${label}</span>
    <vscode-single-select
      class=${label.toLowerCase()}
      .label=${label}
      position="above"
      ?invalid=${isInvalid}
      @change=${(event: Event) => change((event.target as VscodeSingleSelect).value)}
    >
      ${options.map(
        ({ id, title, description }) =>
          html`<vscode-option value=${id} description=${description} ?selected=${id === chosen}>${title}</vscode-option>`,
      )}
    </vscode-single-select>
  </span>`;
}
