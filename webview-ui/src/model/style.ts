/** How a stretch of terminal output looks, as SGR sequences ("Select Graphic Rendition") set it. */
export interface Style {
  /** 0 to 15 are the theme's colours, `RGB` plus 24 bits a fixed one, -1 the default. */
  readonly foreground: number;
  readonly background: number;
  /** Bits of `Flag`. */
  readonly flags: number;
}

export const RGB = 0x1_000_000;

export const Flag = {
  bold: 1,
  dim: 2,
  italic: 4,
  underline: 8,
  inverse: 16,
  strike: 32,
  hidden: 64,
} as const;

export const plain: Style = { foreground: -1, background: -1, flags: 0 };

export function isSameStyle(a: Style, b: Style): boolean {
  return a === b || (a.foreground === b.foreground && a.background === b.background && a.flags === b.flags);
}

/** The fixed part of the 256-colour palette: a 6×6×6 cube, then 24 greys. The first 16 belong to the theme. */
function paletteColor(index: number): number {
  if (index < 16) return index;
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return RGB | (grey << 16) | (grey << 8) | grey;
  }
  const level = (n: number): number => (n === 0 ? 0 : 55 + n * 40);
  const cube = index - 16;
  const red = level(Math.floor(cube / 36));
  const green = level(Math.floor(cube / 6) % 6);
  return RGB | (red << 16) | (green << 8) | level(cube % 6);
}

const byte = (value: number | undefined): number => Math.min(255, Math.max(0, value ?? 0));

/** Reads the colour after 38 or 48. `used` is how many further parameters it took. */
function extendedColor(rest: readonly number[]): { color: number | undefined; used: number } {
  if (rest[0] === 5) return { color: paletteColor(byte(rest[1])), used: 2 };
  if (rest[0] === 2) {
    return { color: RGB | (byte(rest[1]) << 16) | (byte(rest[2]) << 8) | byte(rest[3]), used: 4 };
  }
  return { color: undefined, used: rest.length };
}

const setFlag: Record<number, number> = {
  1: Flag.bold,
  2: Flag.dim,
  3: Flag.italic,
  4: Flag.underline,
  7: Flag.inverse,
  8: Flag.hidden,
  9: Flag.strike,
  21: Flag.underline,
};
const clearFlag: Record<number, number> = {
  22: Flag.bold | Flag.dim,
  23: Flag.italic,
  24: Flag.underline,
  27: Flag.inverse,
  28: Flag.hidden,
  29: Flag.strike,
};

/** The style after an SGR sequence. `parameters` is its text between `ESC [` and `m`. */
export function applySgr(style: Style, parameters: string): Style {
  let { foreground, background, flags } = style;
  const groups = parameters.split(';');
  const numbers = groups.map((group) => Number.parseInt(group, 10) || 0);
  for (let i = 0; i < groups.length; i++) {
    const code = numbers[i] ?? 0;
    const subs = (groups[i] ?? '').split(':').map((part) => Number.parseInt(part, 10));
    if (code === 0) {
      foreground = background = -1;
      flags = 0;
    } else if (code === 38 || code === 48) {
      let found;
      if (subs.length > 1) {
        // 38:2:r:g:b or, as the standard has it, 38:2:colourspace:r:g:b.
        const rest = subs.slice(1);
        found = extendedColor(rest[0] === 2 && rest.length > 4 ? [2, ...rest.slice(2)] : rest);
      } else {
        found = extendedColor(numbers.slice(i + 1));
        i += found.used;
      }
      if (found.color === undefined) continue;
      if (code === 38) foreground = found.color;
      else background = found.color;
    } else if (code === 4 && subs[1] === 0) flags &= ~Flag.underline;
    else if (setFlag[code] !== undefined) flags |= setFlag[code];
    else if (clearFlag[code] !== undefined) flags &= ~clearFlag[code];
    else if (code >= 30 && code <= 37) foreground = code - 30;
    else if (code >= 90 && code <= 97) foreground = code - 90 + 8;
    else if (code === 39) foreground = -1;
    else if (code >= 40 && code <= 47) background = code - 40;
    else if (code >= 100 && code <= 107) background = code - 100 + 8;
    else if (code === 49) background = -1;
  }
  const next = { foreground, background, flags };
  if (isSameStyle(next, style)) return style;
  return isSameStyle(next, plain) ? plain : next;
}
