/** ISO 8601, as every date of the daemon's frames. */
export function isoDate(time: number): string {
  return new Date(time).toISOString();
}

/** At most so many characters; never half of one that takes two places in a string. */
export function shorten(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const cut = text.slice(0, limit - 1);
  return `${/[\uD800-\uDBFF]$/.test(cut) ? cut.slice(0, -1) : cut}…`;
}
