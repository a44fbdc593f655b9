import { html, svg } from 'lit';
import type { TemplateResult } from 'lit';
import type { LoadSeries } from '../../../src/protocol/daemonView.ts';
import { LightElement } from '../components/lightElement.ts';

const height = 24;
/** So that a line at the top or bottom is drawn whole. */
const margin = 1.5;

/** One value of the last minutes as a line, with words beside it that say the same. */
export class LoadChartElement extends LightElement {
  static override properties = { series: { attribute: false }, span: { attribute: false } };
  declare series: LoadSeries;
  declare span: number;

  protected override render(): TemplateResult {
    const { label, now, most } = this.series;
    const text = `${label}: ${now} now, at most ${most} in the last ${Math.round(this.span / 60)} minutes`;
    return html`<div class="load" role="img" aria-label=${text} title=${text}>
      <span class="load-label">${label}</span>
      <span class="load-now">${now}</span>
      <svg viewBox="0 0 ${this.span} ${height}" preserveAspectRatio="none" aria-hidden="true">
        <line class="base" x1="0" x2=${this.span} y1=${height - margin} y2=${height - margin} />
        ${this.lines().map((points) => svg`<polyline points=${points} />`)}
      </svg>
    </div>`;
  }

  /** One for each time without a gap; newest at the right. */
  private lines(): string[] {
    const lines: string[][] = [[]];
    for (const [ago, value] of this.series.points) {
      if (value === null) {
        lines.push([]);
        continue;
      }
      const x = Math.max(0, this.span - ago);
      const y = height - margin - value * (height - 2 * margin);
      lines.at(-1)?.push(`${x.toFixed(1)},${y.toFixed(1)}`);
    }
    // A single point would be no line.
    return lines.flatMap((points) => (points.length === 0 ? [] : [[points[0], ...points].join(' ')]));
  }
}
