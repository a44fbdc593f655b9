import { html, nothing, render } from 'lit';
import type { RunView } from '../../../src/protocol/runPanel.ts';
import type { StoryEntry } from '../../../src/protocol/story/story.ts';
import type { Controller } from '../controller.ts';
import { ChunkHeights, chunkEntries } from '../model/chunkHeights.ts';
import { plural } from '../model/format.ts';
import { isActive } from '../model/panelState.ts';
import type { PanelState } from '../model/panelState.ts';
import { palette } from '../palette.ts';
import { Tail } from '../tail.ts';
import { isTextField, LightElement } from './lightElement.ts';
import { storyEntry } from './storyEntry.ts';
import type { EntryContext } from './storyEntry.ts';

/** Drawn beyond what is visible, in pixels, so that scrolling does not show gaps. */
const overscan = 600;
/** Nearer to the beginning than this, earlier events are asked for. */
const earlierPx = 200;

interface Chunk {
  readonly element: HTMLElement;
  entries: readonly StoryEntry[];
  /** What else it was drawn with. */
  key: string;
}

/**
 * What a model or a coding agent tells, in one scroller. Only the chunks of entries near the visible part exist as
 * elements. Live and replayed are drawn by the same code from the same story.
 */
export class StoryElement extends LightElement {
  static override properties = {
    controller: { attribute: false },
    panel: { attribute: false },
    newEntries: { state: true },
    earlier: { state: true },
    isEmpty: { state: true },
    isElsewhere: { state: true },
  };
  declare controller: Controller;
  declare panel: PanelState;
  declare private newEntries: number;
  declare private earlier: number;
  declare private isEmpty: boolean;
  /** What is here is a part of the past: the newest must be asked for. */
  declare private isElsewhere: boolean;

  private readonly heights = new ChunkHeights();
  private readonly chunks = new Map<number, Chunk>();
  private readonly above = document.createElement('div');
  private readonly below = document.createElement('div');
  private generation = -1;
  private readonly opened = new Map<string, boolean>();
  private currentKey: string | undefined;
  private tail: Tail | undefined;
  private resizes: ResizeObserver | undefined;
  private unsubscribe: (() => void) | undefined;
  private isPaintRequested = false;
  private width = 0;
  /** How many entries there were when the person scrolled away from the newest. */
  private leftAt = 0;
  private askedFrom: number | undefined;
  private pendingAnchor: number | undefined;
  private anchorPasses = 0;
  /** The event that stays in view when what is around it comes. */
  private anchor: number | undefined;

  constructor() {
    super();
    this.newEntries = 0;
    this.earlier = 0;
    this.isEmpty = true;
    this.isElsewhere = false;
  }

  protected override render(): unknown {
    const { run } = this.panel;
    return html`<div class="scroller story-scroller" tabindex="0" role="region" aria-label="What the run tells"
        @click=${(event: Event) => this.openLink(event)}
        @keydown=${(event: KeyboardEvent) => {
          if (event.key === 'Enter') this.openLink(event);
        }}>
        ${
          this.earlier > 0
            ? html`<p class="story-edge">${plural(this.earlier, 'earlier event')}
              <button type="button" class="text-link" @click=${() => this.askEarlier()}>Show earlier</button></p>`
            : nothing
        }
        ${
          run?.error === undefined || !this.isEmpty
            ? nothing
            : html`<p class="message is-error"><span class="codicon codicon-error" aria-hidden="true"></span><span dir="auto">${run.error}</span></p>`
        }
        ${
          run !== null && this.isEmpty
            ? html`<p class="task-hint-line">${isActive(run) ? 'Nothing was told yet.' : 'It told nothing.'}</p>`
            : nothing
        }
        <div class="story"></div>
      </div>
      ${
        this.newEntries > 0 || this.isElsewhere
          ? html`<button type="button" class="new-lines" @click=${() => this.followAgain()}>
            ${this.isElsewhere ? 'Show the newest' : `${this.newEntries} new ${this.newEntries === 1 ? 'entry' : 'entries'}`}<span class="codicon codicon-arrow-down" aria-hidden="true"></span>
          </button>`
          : nothing
      }`;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.unsubscribe = palette.onChange(() => this.requestPaint());
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.unsubscribe?.();
    this.resizes?.disconnect();
    this.resizes = undefined;
    this.tail = undefined;
  }

  protected override firstUpdated(): void {
    this.list.append(this.above, this.below);
  }

  protected override updated(): void {
    if (this.tail === undefined) {
      this.tail = new Tail(
        this.scroller,
        () => this.scroller.scrollHeight - this.scroller.clientHeight,
        () => {
          this.leftAt = this.endOf();
          this.requestPaint();
        },
      );
      this.scroller.addEventListener('scroll', () => this.requestPaint(), { passive: true });
      this.resizes = new ResizeObserver(() => this.requestPaint());
      this.resizes.observe(this.scroller);
    }
    this.requestPaint();
  }

  private get scroller(): HTMLElement {
    return this.found('.scroller');
  }

  private get list(): HTMLElement {
    return this.found('.story');
  }

  private found(selector: string): HTMLElement {
    const element = this.querySelector<HTMLElement>(selector);
    if (element === null) throw new Error('Not drawn yet.');
    return element;
  }

  /** Draws at the next frame; asked for by scrolling, resizing and new events. */
  requestPaint(): void {
    if (this.isPaintRequested) return;
    this.isPaintRequested = true;
    requestAnimationFrame(() => {
      this.isPaintRequested = false;
      this.paint();
    });
  }

  private endOf(): number {
    const { story } = this.controller;
    return story.dropped + story.entries.length;
  }

  private paint(): void {
    const { run } = this.panel;
    if (!this.isConnected || this.tail === undefined || run === null) return;
    const { scroller, list } = this;
    const { story } = this.controller;
    if (story.generation !== this.generation) this.startOver(story.generation);
    const { clientWidth } = scroller;
    if (clientWidth !== this.width) {
      this.width = clientWidth;
      this.heights.clear();
    }
    const first = story.dropped;
    const end = first + story.entries.length;
    const view = scroller.getBoundingClientRect();
    const top = view.top - list.getBoundingClientRect().top;
    const bottom = top + view.height;
    const shown = this.heights.visible(first, end, top - overscan, bottom + overscan);
    for (const [number, chunk] of this.chunks) {
      if (number >= shown.from && number < shown.to) continue;
      chunk.element.remove();
      this.chunks.delete(number);
    }
    const context = this.context();
    for (let number = shown.from; number < shown.to; number += 1) this.draw(number, first, context);
    for (let number = shown.from; number < shown.to; number += 1) {
      const chunk = this.chunks.get(number);
      if (chunk !== undefined) this.heights.setMeasured(number, chunk.element.getBoundingClientRect().height);
    }
    this.heights.dropBefore(Math.floor(first / chunkEntries));
    this.above.style.height = `${shown.before}px`;
    this.below.style.height = `${shown.after}px`;
    this.tail.pin();
    this.earlier = story.earlier;
    this.isEmpty = story.entries.length === 0;
    this.newEntries = this.tail.isFollowing ? 0 : Math.max(0, end - this.leftAt);
    if (this.anchor !== undefined) this.holdAnchor(this.anchor);
    else if (this.tail.isFollowing) {
      this.leftAt = end;
      // The pin has moved: what is visible now may not be drawn yet.
      if (shown.after > 0) this.requestPaint();
    } else if (top < earlierPx && story.earlier > 0) this.askEarlier();
  }

  private startOver(generation: number): void {
    this.generation = generation;
    for (const chunk of this.chunks.values()) chunk.element.remove();
    this.chunks.clear();
    this.heights.clear();
    this.askedFrom = undefined;
    this.anchor = this.pendingAnchor;
    this.pendingAnchor = undefined;
  }

  private draw(number: number, first: number, context: EntryContext): void {
    const { story } = this.controller;
    const from = Math.max(number * chunkEntries, first) - first;
    const entries = story.entries.slice(from, (number + 1) * chunkEntries - first);
    const key = `${hasHeadings(context.run)} ${context.currentKey ?? ''} ${context.isLive} ${context.run.status} ${entries.map((entry) => context.isOpen(entry)).join()}`;
    let chunk = this.chunks.get(number);
    if (chunk === undefined) {
      const element = document.createElement('div');
      element.className = 'chunk';
      chunk = { element, entries: [], key: '' };
      this.chunks.set(number, chunk);
      const next = [...this.chunks.keys()].filter((other) => other > number).sort((a, b) => a - b)[0];
      const before = next === undefined ? this.below : (this.chunks.get(next)?.element ?? this.below);
      this.list.insertBefore(element, before);
    }
    const known = chunk.entries;
    const isSame =
      chunk.key === key && known.length === entries.length && entries.every((entry, i) => entry === known[i]);
    if (isSame) return;
    chunk.entries = entries;
    chunk.key = key;
    // A run of one step needs no heading that says so.
    const shown = hasHeadings(context.run) ? entries : entries.filter(({ kind }) => kind !== 'step');
    render(
      shown.map((entry) => storyEntry(entry, context)),
      chunk.element,
    );
  }

  private context(): EntryContext {
    const { controller, panel } = this;
    const { run } = panel;
    if (run === null) throw new Error('There is no run.');
    return {
      run,
      clockOffset: panel.clockOffset,
      isLive: isActive(run) && panel.at === undefined,
      currentKey: this.currentKey ?? firstFoldable(controller.story.entries),
      isOpen: (entry) => this.isOpen(entry),
      toggle: (entry) => this.toggle(entry),
      openEvent: (sequence) => controller.post({ type: 'openEvent', sequence }),
      openDiff: (sequence) => controller.post({ type: 'openDiff', sequence }),
      copy: (text) => controller.post({ type: 'copyText', text: text.slice(0, 1_000_000) }),
      connect: (provider) => controller.post({ type: 'connect', provider }),
    };
  }

  private isOpen(entry: StoryEntry): boolean {
    return this.opened.get(entry.key) ?? (entry.kind === 'code' && entry.status === 'error');
  }

  private toggle(entry: StoryEntry): void {
    const isOpen = this.isOpen(entry);
    this.opened.set(entry.key, !isOpen);
    this.currentKey = entry.key;
    // Opening something is reading it: the newest must not pull it away.
    if (!isOpen && this.controller.story.entries.at(-1)?.key !== entry.key) this.tail?.leave();
    this.requestPaint();
  }

  private askEarlier(): void {
    const { story } = this.controller;
    const from = Math.max(1, story.firstEvent - 1_000);
    if (story.earlier <= 0 || this.askedFrom === from) return;
    this.askedFrom = from;
    this.pendingAnchor = story.firstEvent;
    this.isElsewhere = true;
    this.tail?.leave();
    this.controller.post({ type: 'showFrom', from });
  }

  private followAgain(): void {
    this.tail?.follow();
    if (this.isElsewhere) this.controller.post({ type: 'showFrom', from: null });
    this.isElsewhere = false;
    this.requestPaint();
  }

  /** Shows the entry that an event began; what is not here is asked for. */
  reveal(ordinal: number): void {
    this.tail?.leave();
    if (this.controller.story.firstEvent <= ordinal) {
      this.anchor = ordinal;
      this.requestPaint();
      return;
    }
    this.pendingAnchor = ordinal;
    this.isElsewhere = true;
    this.controller.post({ type: 'showFrom', from: Math.max(1, ordinal - 200) });
  }

  /** Some passes: the first goes by guessed heights, the others by what was drawn there. */
  private holdAnchor(ordinal: number): void {
    this.anchorPasses += 1;
    if (this.anchorPasses >= 3) {
      this.anchor = undefined;
      this.anchorPasses = 0;
    }
    const { story } = this.controller;
    const index = Math.max(
      0,
      story.entries.findLastIndex((entry) => entry.first <= ordinal),
    );
    const target = Math.floor((index + story.dropped) / chunkEntries);
    let offset = 0;
    for (let chunk = Math.floor(story.dropped / chunkEntries); chunk < target; chunk += 1)
      offset += this.heights.height(chunk, chunkEntries);
    this.scroller.scrollTop = this.list.offsetTop + offset;
    this.requestPaint();
  }

  /** Keys that move between entries: from anywhere in the panel when nothing is typed. */
  onKey(event: KeyboardEvent): void {
    if (event.defaultPrevented || isTextField(event)) return;
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const toggles = [...this.querySelectorAll<HTMLElement>('.entry-toggle')];
    const focused = toggles.findIndex((toggle) => toggle === document.activeElement);
    const isOn = focused !== -1;
    const { key } = event;
    const by =
      key === 'j' || key === 'J' || (key === 'ArrowDown' && isOn)
        ? 1
        : key === 'k' || key === 'K' || (key === 'ArrowUp' && isOn)
          ? -1
          : 0;
    if (by === 0) return;
    const current = isOn ? focused + by : toggles.findIndex((toggle) => toggle.tabIndex === 0);
    const target = toggles[Math.min(toggles.length - 1, Math.max(0, current))];
    if (target === undefined) return;
    event.preventDefault();
    this.tail?.leave();
    this.currentKey = target.dataset['key'];
    target.focus({ preventScroll: true });
    target.scrollIntoView({ block: 'nearest' });
    this.requestPaint();
  }

  private openLink(event: Event): void {
    const link = event.target instanceof Element ? event.target.closest<HTMLElement>('.md-link') : null;
    const url = link?.dataset['url'];
    if (url === undefined || (event.type === 'click' && getSelection()?.isCollapsed === false)) return;
    this.controller.post({ type: 'openLink', url: url.slice(0, 4_096) });
  }
}

function hasHeadings({ engine, steps }: RunView): boolean {
  return engine === 'model' || steps.length > 1;
}

function firstFoldable(entries: readonly StoryEntry[]): string | undefined {
  return entries.find(
    ({ kind }) =>
      kind === 'tool' || kind === 'code' || kind === 'reasoning' || kind === 'tools' || kind === 'foreign',
  )?.key;
}
