import { html } from 'lit';
import { LightElement } from './lightElement.ts';

/** Find in output, as the editor's own find box: type, Enter or F3 to go on, Escape to close. */
export class FindBarElement extends LightElement {
  static override properties = {
    count: { attribute: false },
    position: { attribute: false },
    isMore: { attribute: false },
    query: { state: true },
    isCaseSensitive: { state: true },
  };
  declare count: number;
  /** From 0. */
  declare position: number;
  /** There are more matches than were counted. */
  declare isMore: boolean;
  declare query: string;
  declare isCaseSensitive: boolean;

  constructor() {
    super();
    this.count = 0;
    this.position = 0;
    this.isMore = false;
    this.query = '';
    this.isCaseSensitive = false;
  }

  override focus(): void {
    void this.updateComplete.then(() => this.querySelector('input')?.select());
  }

  private emit(type: 'ow-find' | 'ow-find-move' | 'ow-find-close', detail?: number): void {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true }));
  }

  protected override render(): unknown {
    const isEmpty = this.query === '';
    const isNone = !isEmpty && this.count === 0;
    const text = isEmpty
      ? ''
      : isNone
        ? 'No results'
        : `${this.position + 1} of ${this.count}${this.isMore ? '+' : ''}`;
    return html`<div
      class="find"
      role="search"
      aria-label="Find in output"
      @keydown=${(event: KeyboardEvent) => this.onKey(event)}
    >
      <div class="find-field ${isNone ? 'is-invalid' : ''}">
        <input
          type="text"
          placeholder="Find in open steps"
          aria-label="Find in the output of open steps"
          spellcheck="false"
          .value=${this.query}
          @input=${(event: InputEvent) => {
            this.query = (event.target as HTMLInputElement).value;
            this.emit('ow-find');
          }}
        />
        <button
          type="button"
          class="icon-button toggle"
          title="Match Case"
          aria-label="Match Case"
          aria-pressed=${String(this.isCaseSensitive)}
          @click=${() => {
            this.isCaseSensitive = !this.isCaseSensitive;
            this.emit('ow-find');
          }}
        >
          <span class="codicon codicon-case-sensitive" aria-hidden="true"></span>
        </button>
      </div>
      <span class="find-count" role="status">${text}</span>
      ${this.button('arrow-up', 'Previous Match (Shift+Enter)', () => this.emit('ow-find-move', -1), this.count === 0)}
      ${this.button('arrow-down', 'Next Match (Enter)', () => this.emit('ow-find-move', 1), this.count === 0)}
      ${this.button('close', 'Close (Escape)', () => this.emit('ow-find-close'), false)}
    </div>`;
  }

  private button(icon: string, label: string, run: () => void, isOff: boolean): unknown {
    return html`<button type="button" class="icon-button" title=${label} aria-label=${label} ?disabled=${isOff} @click=${run}>
      <span class="codicon codicon-${icon}" aria-hidden="true"></span>
    </button>`;
  }

  private onKey(event: KeyboardEvent): void {
    const isInput = event.target instanceof HTMLInputElement;
    if (event.key === 'Escape') this.emit('ow-find-close');
    else if (event.key === 'Enter' && isInput) this.emit('ow-find-move', event.shiftKey ? -1 : 1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
