/** Short words for durations, times, counts and folders, as rows, notifications and tooltips show them. */

import type { TerminalMetrics } from '../../core/terminals/terminalMetrics.ts';

/** `0:41`, `12:05`, `1:02:03`: a running time that ticks. */
export function formatElapsed(durationMs: number): string {
  const seconds = Math.max(0, Math.floor(durationMs / 1_000));
  const hours = Math.floor(seconds / 3_600);
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = String(seconds % 60).padStart(2, '0');
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, '0')}:${rest}` : `${minutes}:${rest}`;
}

/** `84 ms`, `8.1 s`, `1:42`: how long something took. */
export function formatDuration(durationMs: number): string {
  if (durationMs < 1_000) return `${Math.max(0, Math.round(durationMs))} ms`;
  if (durationMs < 60_000) return `${(durationMs / 1_000).toFixed(1)} s`;
  return formatElapsed(durationMs);
}

/** `just now`, `12 min`, `3 h`, `2 d`: how long ago, as coarse as a row needs it. */
export function formatAge(ageMs: number): string {
  const minutes = Math.floor(ageMs / 60_000);
  if (minutes < 1) return 'just now';
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} d`;
}

/** `08:14` of today, `20 Nov 08:14` of another day, with the year when it is another one. Local time. */
export function formatTime(timeMs: number, nowMs: number): string {
  const time = new Date(timeMs);
  const clock = `${twoDigits(time.getHours())}:${twoDigits(time.getMinutes())}`;
  return dayKey(timeMs) === dayKey(nowMs) ? clock : `${formatDate(time, new Date(nowMs))} ${clock}`;
}

/** `Today`, `Yesterday`, `Thu 20 Nov`. */
export function formatDay(timeMs: number, nowMs: number): string {
  const day = dayKey(timeMs);
  const now = new Date(nowMs);
  if (day === dayKey(nowMs)) return 'Today';
  const yesterday = new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1, 12);
  if (day === dayKey(yesterday.getTime())) return 'Yesterday';
  const time = new Date(timeMs);
  return `${weekdays[time.getDay()] ?? ''} ${formatDate(time, now)}`;
}

/** `2026-11-20` in local time: what groups by day. */
export function dayKey(timeMs: number): string {
  const time = new Date(timeMs);
  return `${time.getFullYear()}-${twoDigits(time.getMonth() + 1)}-${twoDigits(time.getDate())}`;
}

/** `1 terminal`, `2 terminals`. */
export function count(amount: number, singular: string, plural = `${singular}s`): string {
  return `${amount} ${amount === 1 ? singular : plural}`;
}

/** The folder with the home directory as `~`. */
export function shortPath(path: string, home: string): string {
  if (home === '' || home === '/') return path;
  if (path === home) return '~';
  const separator = home.includes('\\') ? '\\' : '/';
  return path.startsWith(home + separator) ? `~${path.slice(home.length)}` : path;
}

/** The last part of a path or program name, without what Windows adds. */
export function baseName(path: string): string {
  const name = path.split(/[\\/]/).findLast((part) => part !== '') ?? path;
  return name.replace(/\.exe$/i, '');
}

const segmenter = new Intl.Segmenter();

/** The text on one line, cut at `limit` characters as a person counts them. */
export function oneLine(text: string, limit: number): string {
  // More than any character has code units: long output is not segmented for the sake of its first words.
  const line = text
    .slice(0, limit * 40)
    .replace(/\s+/g, ' ')
    .trim();
  if (line.length <= limit) return line;
  const characters = Array.from(segmenter.segment(line), ({ segment }) => segment);
  if (characters.length <= limit) return line;
  return `${characters
    .slice(0, limit - 1)
    .join('')
    .trimEnd()}…`;
}

const weekdays = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

function formatDate(time: Date, now: Date): string {
  const date = `${time.getDate()} ${months[time.getMonth()] ?? ''}`;
  return time.getFullYear() === now.getFullYear() ? date : `${date} ${time.getFullYear()}`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}

/** `12 % of a processor, 34 MiB in 3 processes, read 1.2 MiB, wrote 5 KiB` */
export function formatMetrics(metrics: Omit<TerminalMetrics, 'cpuMs'>): string {
  const { cpuPercent, memoryBytes, processes, readBytes, writtenBytes } = metrics;
  return [
    `${Math.round(cpuPercent)} % of a processor`,
    `${formatBytes(memoryBytes)} in ${count(processes, 'process', 'processes')}`,
    ...(readBytes === null ? [] : [`read ${formatBytes(readBytes)}`]),
    ...(writtenBytes === null ? [] : [`wrote ${formatBytes(writtenBytes)}`]),
  ].join(', ');
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${value < 10 && power > 0 ? value.toFixed(1) : Math.round(value)} ${units[power] ?? ''}`;
}
