import { html, nothing } from 'lit';
import type { TemplateResult } from 'lit';
import type { DaemonAction, DaemonView } from '../../../src/protocol/daemonView.ts';
import { isMotionReduced, LightElement } from '../components/lightElement.ts';

type State = DaemonView['state'];
type SubsystemState = DaemonView['subsystems'][number]['status'];

const stateIcons: Record<State, string> = {
  untrusted: 'shield',
  stopped: 'circle-large-outline',
  starting: 'loading',
  running: 'pass',
  stopping: 'loading',
  failed: 'error',
  elsewhere: 'arrow-swap',
};

const stateWords: Record<State, string> = {
  untrusted: 'Not trusted',
  stopped: 'Stopped',
  starting: 'Starting',
  running: 'Running',
  stopping: 'Stopping',
  failed: 'Could not start',
  elsewhere: 'Served elsewhere',
};

const subsystemIcons: Record<SubsystemState, string> = {
  running: 'pass',
  degraded: 'warning',
  error: 'error',
  stopped: 'circle-large-outline',
};

/** The whole view: how the daemon is, where it answers, what it does, and what can be done with it. */
export class DaemonElement extends LightElement {
  static override properties = { view: { attribute: false } };
  declare view: DaemonView | undefined;
  onAction: (action: DaemonAction) => void = () => undefined;

  protected override render(): TemplateResult | typeof nothing {
    const { view } = this;
    if (view === undefined) return nothing;
    const { state, note, url, figures, load, subsystems, span } = view;
    return html`<main aria-label="Orchestrator daemon">
      <div class="state">
        <p role="status">
          <span class="codicon codicon-${iconOf(state)} state-${state}" aria-hidden="true"></span>
          <span class="state-word">${stateWords[state]}</span>
        </p>
        ${url === undefined ? nothing : this.renderAddress(url)}
      </div>
      ${note === undefined ? nothing : html`<p class="note">${note}</p>`}
      ${this.renderButtons(state)}
      ${
        figures.length === 0
          ? nothing
          : html`<dl class="figures">
              ${figures.map(({ label, value }) => html`<div><dt>${label}</dt><dd>${value}</dd></div>`)}
            </dl>`
      }
      ${
        load.length === 0
          ? nothing
          : html`<section>
              <h2>Load, last ${Math.round(span / 60)} minutes</h2>
              ${load.map((series) => html`<ow-load-chart .series=${series} .span=${span}></ow-load-chart>`)}
            </section>`
      }
      ${
        subsystems.length === 0
          ? nothing
          : html`<section>
              <h2>Subsystems</h2>
              <ul class="subsystems">
                ${subsystems.map(
                  ({ name, status, detail }) => html`<li title=${`${name}: ${status}. ${detail}`}>
                    <span class="codicon codicon-${subsystemIcons[status]} state-${status}" aria-hidden="true"></span>
                    <span class="name">${name}</span>
                    <span class="detail">${detail === '' ? status : `${status} · ${detail}`}</span>
                  </li>`,
                )}
              </ul>
            </section>`
      }
    </main>`;
  }

  private renderAddress(url: string): TemplateResult {
    return html`<p class="address">
      <code>${url}</code>
      <button
        type="button"
        class="icon-button"
        title="Copy address"
        aria-label="Copy address"
        @click=${() => this.onAction('copyAddress')}
      >
        <span class="codicon codicon-copy" aria-hidden="true"></span>
      </button>
    </p>`;
  }

  private renderButtons(state: State): TemplateResult {
    return html`<div class="buttons">
        ${state === 'untrusted' ? this.button('manageTrust', 'Manage Trust') : nothing}
        ${state === 'stopped' || state === 'failed' ? this.button('start', state === 'failed' ? 'Try Again' : 'Start') : nothing}
        ${state === 'running' ? this.button('stop', 'Stop', true) : nothing}
        ${state === 'running' ? this.button('copyToken', 'Copy Token', true) : nothing}
      </div>
      <p class="links">
        ${state === 'untrusted' ? nothing : html`${this.link('connect', 'Connect to Daemon…')}`}
        ${state === 'stopped' ? this.link('openSettings', 'Settings') : nothing}
        ${this.link('showLog', 'Show Log')}
      </p>`;
  }

  private button(action: DaemonAction, label: string, isSecondary = false): TemplateResult {
    return html`<vscode-button ?secondary=${isSecondary} @click=${() => this.onAction(action)}>${label}</vscode-button>`;
  }

  private link(action: DaemonAction, label: string): TemplateResult {
    return html`<button type="button" class="link" @click=${() => this.onAction(action)}>${label}</button>`;
  }
}

function iconOf(state: State): string {
  const icon = stateIcons[state];
  if (icon !== 'loading') return icon;
  return isMotionReduced() ? 'sync' : 'loading codicon-modifier-spin';
}
