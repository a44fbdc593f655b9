/** Numbers and times as people read them. Units are separated by a space; colons count minutes and hours. */

const two = (value: number): string => String(value).padStart(2, '0');

/** 0.4 s, 12.4 s, 1:42, 1:02:03. A running one has no tenths: it would only flicker. */
export function formatDuration(ms: number, isRunning = false): string {
  const safe = Math.max(0, ms);
  if (safe < 59_950 && !isRunning) {
    return safe < 50 ? '< 0.1 s' : `${(safe / 1_000).toFixed(1)} s`;
  }
  const seconds = isRunning ? Math.floor(safe / 1_000) : Math.round(safe / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${two(seconds % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`;
}

/** For the ear: "1 minute 42 seconds". */
export function spokenDuration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  const parts = [
    [Math.floor(seconds / 3_600), 'hour'],
    [Math.floor(seconds / 60) % 60, 'minute'],
    [seconds % 60, 'second'],
  ] as const;
  const said = parts
    .filter(([value]) => value > 0)
    .map(([value, unit]) => `${value} ${unit}${value === 1 ? '' : 's'}`);
  return said.length === 0 ? 'less than a second' : said.join(' ');
}

export function formatBytes(bytes: number): string {
  if (bytes < 1_000) return `${Math.round(bytes)} B`;
  let value = bytes;
  for (const unit of ['KB', 'MB', 'GB']) {
    value /= 1_000;
    if (value < 999.5) return `${value.toFixed(value < 99.95 ? 1 : 0)} ${unit}`;
  }
  return `${(value / 1_000).toFixed(1)} TB`;
}

export function formatCount(count: number): string {
  return count.toLocaleString('en-US');
}

export function plural(count: number, word: string): string {
  return `${formatCount(count)} ${word}${count === 1 ? '' : 's'}`;
}

/** 08:14:05, in the person's own time. */
export function formatClock(at: number): string {
  const time = new Date(at);
  return `${clockTime(time)}:${two(time.getSeconds())}`;
}

const clockTime = (at: Date): string => `${two(at.getHours())}:${two(at.getMinutes())}`;

/** "just now", "5 min ago", then the clock: which day it was is told by the group above. */
export function formatWhen(at: number, now: number): string {
  const passed = now - at;
  if (passed < 60_000) return 'just now';
  if (passed < 3_600_000) return `${Math.floor(passed / 60_000)} min ago`;
  return clockTime(new Date(at));
}

/** The exact time, for tooltips, in the person's own form. */
export function formatExact(at: number): string {
  return new Date(at).toLocaleString(undefined, { dateStyle: 'full', timeStyle: 'medium' });
}

const dayStart = (at: number): number => new Date(at).setHours(0, 0, 0, 0);

/** "Today", "Yesterday", "Monday", "16 November", "16 November 2025". */
export function formatDay(at: number, now: number): string {
  // Round: days of 23 and 25 hours exist.
  const days = Math.round((dayStart(now) - dayStart(at)) / 86_400_000);
  if (days <= 0) return 'Today';
  if (days === 1) return 'Yesterday';
  const date = new Date(at);
  if (days < 7) return date.toLocaleDateString('en-GB', { weekday: 'long' });
  const isThisYear = date.getFullYear() === new Date(now).getFullYear();
  return date.toLocaleDateString('en-GB', {
    day: 'numeric',
    month: 'long',
    ...(isThisYear ? {} : { year: 'numeric' }),
  });
}

/** How many lines of a task say something, besides the first of them. */
export function furtherLines(text: string): number {
  return Math.max(0, text.split('\n').filter((line) => line.trim() !== '').length - 1);
}

/** The first line that says something; a task may be many lines. */
export function firstLineOf(text: string): string {
  return (
    text
      .split('\n')
      .find((line) => line.trim() !== '')
      ?.trim() ?? ''
  );
}

/** 940 tokens, 12.4 k tokens, 1.2 M tokens. */
export function formatTokens(tokens: number): string {
  if (tokens < 1_000) return plural(tokens, 'token');
  if (tokens < 999_500) return `${(tokens / 1_000).toFixed(tokens < 99_950 ? 1 : 0)} k tokens`;
  return `${(tokens / 1_000_000).toFixed(1)} M tokens`;
}

/** US dollars; cents where there are any. */
export function formatCost(dollars: number): string {
  return `$${dollars.toFixed(dollars < 0.1 ? 4 : 2)}`;
}
