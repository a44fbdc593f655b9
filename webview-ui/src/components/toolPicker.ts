import { html, nothing } from 'lit';
import type { TemplateResult } from 'lit';
import type { ToolProviderOption } from '../../../src/protocol/runOptions.ts';
import { providerState, withTools } from '../model/choices.ts';
import type { ToolSelection } from '../model/choices.ts';
import { visible } from '../model/visible.ts';

export interface ToolPicker {
  readonly providers: readonly ToolProviderOption[];
  readonly selection: ToolSelection;
  readonly change: (selection: ToolSelection) => void;
  readonly connect: (provider: string) => void;
}

/** Which tools the run may use: all, or those of the providers that are ticked. */
export function toolPicker({ providers, selection, change, connect }: ToolPicker): TemplateResult {
  const mode = (value: ToolSelection['mode'], label: string): TemplateResult =>
    html`<label class="choice-line"
      ><input
        type="radio"
        name="tool-mode"
        .checked=${selection.mode === value}
        @change=${() => change({ ...selection, mode: value })}
      />${label}</label
    >`;
  return html`<fieldset class="picker" aria-label="Tools of the run">
    <div class="picker-modes" role="radiogroup" aria-label="Which tools">
      ${mode('auto', 'All connected tools')} ${mode('custom', 'Only these')}
    </div>
    ${
      providers.length === 0
        ? html`<p class="picker-empty">There are no providers of tools. Add an MCP server in the settings.</p>`
        : html`<ul class="providers" @keydown=${(event: KeyboardEvent) => moveFocus(event)}>
            ${providers.map((provider) => providerGroup(provider, selection, change, connect))}
          </ul>`
    }
  </fieldset>`;
}

function providerGroup(
  provider: ToolProviderOption,
  selection: ToolSelection,
  change: ToolPicker['change'],
  connect: ToolPicker['connect'],
): TemplateResult {
  const { isAuthorized, isConfigured, tools, displayName, problem } = provider;
  const isOff = selection.mode === 'auto' || !isAuthorized;
  const state =
    selection.mode === 'auto' ? (isAuthorized ? 'all' : 'none') : providerState(provider, selection);
  const names = tools.map(({ name }) => name);
  return html`<li class="provider">
    <div class="provider-head">
      <label class="choice-line"
        ><input
          type="checkbox"
          .checked=${state === 'all'}
          .indeterminate=${state === 'some'}
          ?disabled=${isOff || tools.length === 0}
          @change=${() => change(withTools(selection, names, state !== 'all'))}
        /><bdi>${visible(displayName)}</bdi></label
      >
      <span class="badge">${isAuthorized ? 'connected' : isConfigured ? 'not connected' : 'not set up'}</span>
      ${
        isAuthorized
          ? nothing
          : html`<button type="button" class="text-link" @click=${() => connect(provider.provider)}>Connect</button>`
      }
    </div>
    ${problem === undefined ? nothing : html`<p class="picker-empty" dir="auto">${visible(problem)}</p>`}
    <ul class="provider-tools">
      ${tools.map(
        ({ name, description }) =>
          html`<li>
            <label class="choice-line" title=${visible(description)}
              ><input
                type="checkbox"
                .checked=${selection.mode === 'auto' ? isAuthorized : selection.tools.includes(name)}
                ?disabled=${isOff}
                @change=${(event: Event) => change(withTools(selection, [name], (event.target as HTMLInputElement).checked))}
              /><bdi class="tool-name">${visible(name)}</bdi></label
            >
          </li>`,
      )}
    </ul>
  </li>`;
}

/** Arrows go from box to box, as in a tree; Tab leaves. */
function moveFocus(event: KeyboardEvent): void {
  const by = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
  if (by === 0 || !(event.currentTarget instanceof HTMLElement)) return;
  const boxes = [...event.currentTarget.querySelectorAll<HTMLInputElement>('input:not(:disabled)')];
  const at = boxes.findIndex((box) => box === document.activeElement);
  boxes[Math.min(boxes.length - 1, Math.max(0, at + by))]?.focus();
  event.preventDefault();
}
