/**
 * Text that a program coloured for another background stays readable: as VS Code's own terminal does, a colour is
 * moved towards black or white until it stands out enough.
 */
export type Rgb = readonly [red: number, green: number, blue: number];

/** VS Code's default for `terminal.integrated.minimumContrastRatio`, and what WCAG AA asks for. */
export const minimumRatio = 4.5;

const channel = (value: number): number => {
  const part = value / 255;
  return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
};

export function luminance([red, green, blue]: Rgb): number {
  return 0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue);
}

export function contrast(a: Rgb, b: Rgb): number {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

/** `color` over `background` when it is see-through. */
export function blend(color: Rgb, background: Rgb, opacity: number): Rgb {
  const mix = (i: 0 | 1 | 2): number => Math.round(color[i] * opacity + background[i] * (1 - opacity));
  return [mix(0), mix(1), mix(2)];
}

function towards(color: Rgb, goal: number, background: Rgb, ratio: number): Rgb {
  let result = color;
  for (let step = 1; step <= 20 && contrast(result, background) < ratio; step++) {
    result = blend([goal, goal, goal], color, step / 20);
  }
  return result;
}

/** The colour itself when it is readable on the background, else the nearest one that is. */
export function readable(color: Rgb, background: Rgb, ratio = minimumRatio): Rgb {
  if (contrast(color, background) >= ratio) return color;
  const isDark = luminance(color) < luminance(background);
  const first = towards(color, isDark ? 0 : 255, background, ratio);
  if (contrast(first, background) >= ratio) return first;
  const second = towards(color, isDark ? 255 : 0, background, ratio);
  return contrast(second, background) > contrast(first, background) ? second : first;
}

/** Reads `#rgb`, `#rrggbb`, `#rrggbbaa`, `rgb(…)` and `rgba(…)`: the forms that VS Code gives. */
export function parseColor(text: string): { rgb: Rgb; opacity: number } | undefined {
  const value = text.trim();
  const hex = /^#([\da-f]{3,8})$/i.exec(value)?.[1];
  if (hex !== undefined) {
    const full = hex.length <= 4 ? hex.replace(/./g, '$&$&') : hex;
    if (full.length !== 6 && full.length !== 8) return undefined;
    const at = (i: number): number => Number.parseInt(full.slice(i, i + 2), 16);
    return { rgb: [at(0), at(2), at(4)], opacity: full.length === 8 ? at(6) / 255 : 1 };
  }
  const parts = /^rgba?\(([^)]+)\)$/i
    .exec(value)?.[1]
    ?.split(/[\s,/]+/)
    .map(Number.parseFloat);
  if (parts === undefined || parts.slice(0, 3).some(Number.isNaN)) return undefined;
  const [red = 0, green = 0, blue = 0, opacity = 1] = parts;
  return { rgb: [red, green, blue], opacity };
}
