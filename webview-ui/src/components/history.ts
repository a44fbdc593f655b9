import { html, nothing } from 'lit';
import type { TemplateResult } from 'lit';
import type { HistoryEntry } from '../../../src/protocol/runPanel.ts';
import type { Controller } from '../controller.ts';
import {
  firstLineOf,
  furtherLines,
  formatDay,
  formatDuration,
  formatExact,
  formatWhen,
} from '../model/format.ts';
import { statusWord } from '../model/panelState.ts';
import type { PanelState } from '../model/panelState.ts';
import { LightElement } from './lightElement.ts';
import { statusIcon } from './statusIcon.ts';

/** Drawn at once; the rest comes with "Show more", so that a long past does not slow the panel. */
const pageSize = 100;

/** Earlier runs, newest first, grouped by day. */
export class HistoryElement extends LightElement {
  static override properties = {
    controller: { attribute: false },
    panel: { attribute: false },
    query: { state: true },
    limit: { state: true },
    status: { state: true },
    engine: { state: true },
  };
  declare controller: Controller;
  declare panel: PanelState;
  declare private query: string;
  declare private limit: number;
  /** Empty: any. */
  declare private status: string;
  declare private engine: string;

  constructor() {
    super();
    this.query = '';
    this.status = '';
    this.engine = '';
    this.limit = pageSize;
  }

  protected override render(): unknown {
    const { history } = this.panel;
    if (history.length === 0) return this.renderEmpty();
    const query = this.query.trim().toLowerCase();
    const found = history
      .filter(
        ({ status, engine }) =>
          (this.status === '' || status === this.status) && (this.engine === '' || engine === this.engine),
      )
      .filter((entry) =>
        `${entry.task}\n${entry.sessionName}\n${entry.engine}\n${statusWord(entry.status)}`
          .toLowerCase()
          .includes(query),
      )
      .sort((a, b) => b.createdAt - a.createdAt);
    return html`<section class="history" aria-labelledby="history-title">
      <div class="history-head">
        <h2 id="history-title">Earlier runs</h2>
        <input
          type="search"
          class="search"
          placeholder="Search tasks"
          aria-label="Search earlier runs"
          spellcheck="false"
          .value=${this.query}
          @input=${(event: InputEvent) => {
            this.query = (event.target as HTMLInputElement).value;
            this.limit = pageSize;
          }}
        />
        ${this.renderFilter('Status', this.status, [...new Set(history.map(({ status }) => status))], (value) => (this.status = value))}
        ${this.renderFilter('Engine', this.engine, [...new Set(history.map(({ engine }) => engine))], (value) => (this.engine = value))}
      </div>
      ${found.length === 0 ? html`<p class="hint" role="status">No run matches${this.query.trim() === '' ? '' : html` “${this.query.trim()}”`}.</p>` : this.renderDays(found)}
    </section>`;
  }

  private renderFilter(
    label: string,
    chosen: string,
    values: readonly string[],
    choose: (value: string) => void,
  ): TemplateResult | typeof nothing {
    if (values.length < 2 && chosen === '') return nothing;
    return html`<select
      class="field"
      aria-label=${`${label} of the runs`}
      @change=${(event: Event) => choose((event.target as HTMLSelectElement).value)}
    >
      <option value="" ?selected=${chosen === ''}>Any ${label.toLowerCase()}</option>
      ${values
        .toSorted()
        .map(
          (value) =>
            html`<option value=${value} ?selected=${value === chosen}>${value.replace('_', ' ')}</option>`,
        )}
    </select>`;
  }

  private renderEmpty(): TemplateResult {
    return html`<section class="welcome">
      <h2>No runs yet</h2>
      <p>
        Write commands below, one a line: each becomes a step with its own output, exit code and time. Or choose a
        model or an agent as the engine, and say what is to be done. Runs go on when this panel, or the whole window, is
        closed.
      </p>
    </section>`;
  }

  private renderDays(found: readonly HistoryEntry[]): TemplateResult {
    const now = this.controller.now();
    const days = Map.groupBy(found.slice(0, this.limit), (entry) => formatDay(entry.createdAt, now));
    return html`${[...days].map(
      ([day, entries]) =>
        html`<h3 class="day">${day}</h3>
            <ul class="runs">
              ${entries.map((entry) => this.renderEntry(entry, now))}
            </ul>`,
    )}
      ${
        found.length > this.limit
          ? html`<button type="button" class="action more" @click=${() => (this.limit += pageSize)}>
            Show ${Math.min(pageSize, found.length - this.limit)} more
          </button>`
          : nothing
      }`;
  }

  private renderEntry(entry: HistoryEntry, now: number): TemplateResult {
    const more = furtherLines(entry.task);
    const isCurrent = entry.id === this.panel.run?.id;
    return html`<li>
      <button
        type="button"
        class="run-entry"
        aria-current=${isCurrent ? 'true' : nothing}
        title=${entry.task}
        @click=${() => this.open(entry.id)}
      >
        ${statusIcon(entry.status)}
        <span class="run-task" dir="auto">${firstLineOf(entry.task)}${more > 0 ? html`<span class="title-more"> + ${more} more</span>` : nothing}</span>
        <span class="run-session" dir="auto">${entry.sessionName}</span>
        <span class="run-word">${statusWord(entry.status)}</span>
        <span class="run-took">${entry.durationMs === undefined ? '' : formatDuration(entry.durationMs)}</span>
        <time
          class="run-when"
          datetime=${new Date(entry.createdAt).toISOString()}
          title=${formatExact(entry.createdAt)}
          >${formatWhen(entry.createdAt, now)}</time
        >
      </button>
    </li>`;
  }

  private open(runId: string): void {
    // The run of this panel is one click away; another one opens in a tab of its own.
    if (runId === this.panel.run?.id)
      this.dispatchEvent(new CustomEvent('ow-action', { detail: 'history', bubbles: true }));
    else this.controller.post({ type: 'openRun', runId });
  }
}
