import { blend, parseColor, readable } from './model/contrast.ts';
import type { Rgb } from './model/contrast.ts';
import { Flag, RGB } from './model/style.ts';
import type { Style } from './model/style.ts';

const names = ['Black', 'Red', 'Green', 'Yellow', 'Blue', 'Magenta', 'Cyan', 'White'];

const css = (color: Rgb): string => `rgb(${color.join(', ')})`;
const unpack = (color: number): Rgb => [(color >> 16) & 255, (color >> 8) & 255, color & 255];

export interface Colors {
  /** Undefined: as the surrounding text. */
  readonly color: string | undefined;
  readonly background: string | undefined;
}

/** The theme's terminal colours as numbers, to see whether text can be read on its background. */
export class Palette {
  private readonly cache = new Map<number | string, Colors>();
  private readonly listeners = new Set<() => void>();
  private theme: readonly Rgb[] = [];
  private foreground: Rgb = [204, 204, 204];
  private background: Rgb = [31, 31, 31];
  private isWatching = false;

  /** Calls back when the theme changed and what is drawn must be drawn anew. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    this.watch();
    return () => {
      this.listeners.delete(listener);
    };
  }

  private watch(): void {
    if (this.isWatching) return;
    this.isWatching = true;
    this.read();
    const observer = new MutationObserver(() => {
      this.read();
      for (const listener of this.listeners) listener();
    });
    // VS Code writes a new theme to the style of the root and to the class of the body.
    observer.observe(document.documentElement, { attributes: true, attributeFilter: ['style'] });
    observer.observe(document.body, { attributes: true, attributeFilter: ['class'] });
  }

  private read(): void {
    const style = getComputedStyle(document.documentElement);
    const color = (name: string, fallback: Rgb): Rgb => {
      const parsed = parseColor(style.getPropertyValue(`--vscode-${name}`));
      return parsed === undefined ? fallback : blend(parsed.rgb, this.background, parsed.opacity);
    };
    this.background = color('editor-background', [31, 31, 31]);
    this.background = color('terminal-background', this.background);
    this.foreground = color('terminal-foreground', color('editor-foreground', [204, 204, 204]));
    this.theme = Array.from({ length: 16 }, (_, i) =>
      color(`terminal-ansi${i > 7 ? 'Bright' : ''}${names[i % 8] ?? ''}`, this.foreground),
    );
    this.cache.clear();
  }

  colors(style: Style): Colors {
    const key = `${style.foreground} ${style.background} ${style.flags & (Flag.bold | Flag.inverse | Flag.dim)}`;
    let colors = this.cache.get(key);
    if (colors === undefined) {
      // A program that paints a rainbow must not fill the memory.
      if (this.cache.size > 4_096) this.cache.clear();
      colors = this.compute(style);
      this.cache.set(key, colors);
    }
    return colors;
  }

  private compute({ foreground, background, flags }: Style): Colors {
    // As VS Code's terminal: bold text in one of the eight dark colours is drawn in the bright one.
    const isBright = (flags & Flag.bold) !== 0 && foreground >= 0 && foreground < 8;
    let front = this.resolve(isBright ? foreground + 8 : foreground, this.foreground);
    let back = this.resolve(background, this.background);
    const isInverse = (flags & Flag.inverse) !== 0;
    if (isInverse) [front, back] = [back, front];
    const isPlainBack = background < 0 && !isInverse;
    if (foreground < 0 && isPlainBack && (flags & Flag.dim) === 0)
      return { color: undefined, background: undefined };
    const color = (flags & Flag.dim) === 0 ? front : blend(front, back, 0.6);
    return { color: css(readable(color, back)), background: isPlainBack ? undefined : css(back) };
  }

  private resolve(color: number, fallback: Rgb): Rgb {
    if (color >= RGB) return unpack(color);
    return this.theme[color] ?? fallback;
  }
}

export const palette = new Palette();
