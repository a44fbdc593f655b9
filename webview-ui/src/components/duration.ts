import { html, nothing } from 'lit';
import type { TemplateResult } from 'lit';
import { formatDuration, formatExact } from '../model/format.ts';
import { ticker } from '../ticker.ts';
import { LightElement } from './lightElement.ts';

/** A running or final duration. It ticks by itself, so that nothing else is drawn anew each second. */
export class DurationElement extends LightElement {
  static override properties = {
    startedAt: { attribute: false },
    durationMs: { attribute: false },
    clockOffset: { attribute: false },
  };
  declare startedAt: number | undefined;
  declare durationMs: number | undefined;
  declare clockOffset: number;
  private unsubscribe: (() => void) | undefined;

  constructor() {
    super();
    this.clockOffset = 0;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.stop();
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.requestUpdate();
  }

  protected override render(): unknown {
    if (this.durationMs !== undefined) return formatDuration(this.durationMs);
    if (this.startedAt === undefined) return nothing;
    return formatDuration(Date.now() + this.clockOffset - this.startedAt, true);
  }

  protected override updated(): void {
    const isRunning = this.isConnected && this.durationMs === undefined && this.startedAt !== undefined;
    if (isRunning) this.unsubscribe ??= ticker.subscribe(() => this.requestUpdate());
    else this.stop();
    this.title = this.startedAt === undefined ? '' : `Started ${formatExact(this.startedAt)}`;
  }

  private stop(): void {
    this.unsubscribe?.();
    this.unsubscribe = undefined;
  }
}

export function durationOf(
  startedAt: number | undefined,
  durationMs: number | undefined,
  clockOffset: number,
): TemplateResult {
  return html`<ow-duration
    class="duration"
    .startedAt=${startedAt}
    .durationMs=${durationMs}
    .clockOffset=${clockOffset}
  ></ow-duration>`;
}
