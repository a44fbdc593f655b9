import { html, nothing } from 'lit';
import type { StepOutput } from '../model/outputs.ts';
import { BlockHeights, blockLines, blockOf, visibleBlocks } from '../model/blocks.ts';
import { formatBytes } from '../model/format.ts';
import type { Match } from '../model/find.ts';
import type { OutputLink } from '../model/links.ts';
import { palette } from '../palette.ts';
import { createLine, linkAt } from './lineView.ts';
import { LightElement } from './lightElement.ts';

interface Block {
  readonly element: HTMLElement;
  /** Numbers of the first line and after the last one that are drawn. */
  from: number;
  to: number;
}

/** Drawn beyond what is visible, in pixels, so that scrolling does not show gaps. */
const overscan = 600;

/**
 * The output of one step inside the panel's one scroller. Only the blocks of lines near the visible part exist as
 * elements; blank space stands for the rest. Drawn by hand, not by a template: a flood changes it sixty times a second.
 */
export class OutputElement extends LightElement {
  static override properties = {
    step: { attribute: false },
    label: { attribute: false },
    output: { attribute: false },
    isRunning: { attribute: false },
    omittedBytes: { state: true },
    hasLines: { state: true },
  };
  declare step: number;
  declare label: string;
  declare output: StepOutput | undefined;
  declare isRunning: boolean;
  declare private omittedBytes: number;
  declare private hasLines: boolean;

  private readonly heights = new BlockHeights();
  private readonly blocks = new Map<number, Block>();
  private unsubscribe: (() => void) | undefined;
  private drawn: StepOutput | undefined;
  private found = new Map<number, Match[]>();
  private current: Match | undefined;
  private readonly above = document.createElement('div');
  private readonly below = document.createElement('div');
  /** Fifty characters, out of sight: how wide and high they are tells how lines wrap. */
  private readonly probe = document.createElement('div');

  constructor() {
    super();
    this.omittedBytes = 0;
    this.hasLines = false;
    this.isRunning = false;
  }

  protected override render(): unknown {
    return html`
      ${
        this.omittedBytes > 0
          ? html`<div class="omitted">
            <span>${formatBytes(this.omittedBytes)} before this are not shown</span>
            <button type="button" class="text-link" @click=${() => this.emit('ow-open-output')}>Open Output</button>
          </div>`
          : nothing
      }
      ${
        this.hasLines
          ? nothing
          : html`<div class="no-output">${this.isRunning ? 'No output yet' : 'No output'}</div>`
      }
      <div
        class="lines"
        role="group"
        aria-label=${this.label}
        @click=${(event: Event) => this.openLink(event)}
        @keydown=${(event: KeyboardEvent) => {
          if (event.key === 'Enter') this.openLink(event);
        }}
      ></div>
    `;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.unsubscribe = palette.onChange(() => {
      for (const block of this.blocks.values()) {
        for (let line = block.from; line < block.to; line++) this.redraw(block, line);
      }
    });
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.unsubscribe?.();
  }

  protected override firstUpdated(): void {
    this.probe.className = 'line probe';
    this.probe.textContent = '0'.repeat(50);
    this.lines.append(this.above, this.below, this.probe);
  }

  private get lines(): HTMLElement {
    const element = this.querySelector<HTMLElement>('.lines');
    if (element === null) throw new Error('Not drawn yet.');
    return element;
  }

  private emit(type: string, detail?: unknown): void {
    this.dispatchEvent(new CustomEvent(type, { detail: detail ?? this.step, bubbles: true }));
  }

  private openLink(event: Event): void {
    const link: OutputLink | undefined = linkAt(event);
    if (link === undefined) return;
    // The end of a selection is no click.
    if (event.type === 'click' && getSelection()?.isCollapsed === false) return;
    event.stopPropagation();
    this.emit('ow-link', link);
  }

  /** Marks what the find box found here. */
  setMatches(found: readonly Match[], current: Match | undefined): void {
    const touched = new Set(this.found.keys());
    this.found = new Map();
    for (const match of found) {
      const others = this.found.get(match.line);
      if (others === undefined) this.found.set(match.line, [match]);
      else others.push(match);
      touched.add(match.line);
    }
    this.current = current;
    for (const block of this.blocks.values()) {
      for (let line = block.from; line < block.to; line++) if (touched.has(line)) this.redraw(block, line);
    }
  }

  /** Draws what changed and what became visible. Reads the layout first and writes after it. */
  paint(scroller: HTMLElement): void {
    if (!this.hasUpdated) return;
    const { output } = this;
    if (output !== this.drawn) {
      this.removeBlocks();
      this.heights.invalidateFrom(0);
      this.drawn = output;
    }
    if (output === undefined) {
      this.hasLines = false;
      this.omittedBytes = 0;
      return;
    }
    const { buffer } = output;
    this.omittedBytes = output.omittedBytes;
    this.hasLines = buffer.endLine > buffer.firstLine;
    if (!this.measure()) return;
    const dirty = buffer.takeDirty();
    this.heights.invalidateFrom(dirty);
    this.heights.dropBefore(buffer.firstLine);
    const view = scroller.getBoundingClientRect();
    const top = view.top - this.lines.getBoundingClientRect().top;
    const visible = visibleBlocks(this.heights, buffer, top - overscan, top + view.height + overscan);
    for (const [number, block] of this.blocks) {
      if (number >= visible.from && number < visible.to) continue;
      block.element.remove();
      this.blocks.delete(number);
    }
    for (let number = visible.from; number < visible.to; number++) this.draw(number, dirty);
    for (let number = visible.from; number < visible.to; number++) {
      const block = this.blocks.get(number);
      if (block !== undefined) this.heights.setMeasured(number, block.element.getBoundingClientRect().height);
    }
    this.above.style.height = `${visible.before}px`;
    this.below.style.height = `${visible.after}px`;
  }

  private measure(): boolean {
    const { width, height } = this.probe.getBoundingClientRect();
    const available = this.lines.clientWidth;
    if (width === 0 || available === 0) return false;
    const columns = Math.max(1, Math.floor((available * 50) / width + 0.001));
    if (this.heights.setMetrics({ lineHeight: height, columns })) this.removeBlocks();
    return true;
  }

  private removeBlocks(): void {
    for (const block of this.blocks.values()) block.element.remove();
    this.blocks.clear();
  }

  private draw(number: number, dirty: number): void {
    const buffer = this.drawn?.buffer;
    if (buffer === undefined) return;
    const from = Math.max(number * blockLines, buffer.firstLine);
    const to = Math.min((number + 1) * blockLines, buffer.endLine);
    let block = this.blocks.get(number);
    if (block === undefined) {
      block = { element: document.createElement('div'), from, to: from };
      block.element.className = 'block';
      this.blocks.set(number, block);
      const next = [...this.blocks.entries()]
        .filter(([other]) => other > number)
        .sort((a, b) => a[0] - b[0])[0];
      this.lines.insertBefore(block.element, next?.[1].element ?? this.below);
    }
    if (block.from < from) {
      this.heights.invalidate(number);
      for (; block.from < from; block.from++) block.element.firstElementChild?.remove();
    }
    for (; block.to > to; block.to--) block.element.lastElementChild?.remove();
    for (let line = Math.max(dirty, from); line < block.to; line++) this.redraw(block, line);
    for (; block.to < to; block.to++) block.element.append(this.create(block.to));
  }

  private redraw(block: Block, line: number): void {
    block.element.children[line - block.from]?.replaceWith(this.create(line));
  }

  private create(number: number): HTMLElement {
    const line = this.drawn?.buffer.line(number) ?? { text: '', runs: [] };
    const found = this.found.get(number) ?? [];
    return createLine(
      line,
      found.map((match) => ({ ...match, isCurrent: match === this.current })),
    );
  }

  /** Where a line is, in pixels below the top of the scroller's visible part. */
  lineTop(line: number, scroller: HTMLElement): number {
    const buffer = this.drawn?.buffer;
    const top = scroller.getBoundingClientRect().top;
    const block = this.blocks.get(blockOf(line));
    const element = block?.element.children[line - block.from];
    if (element !== undefined) return element.getBoundingClientRect().top - top;
    const offset = buffer === undefined ? 0 : this.heights.offsetOf(line, buffer);
    return this.lines.getBoundingClientRect().top - top + offset;
  }
}
