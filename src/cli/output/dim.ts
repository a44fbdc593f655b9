/** Dim where the output is a terminal and $NO_COLOR is not set. */
export function dim(text: string, isTty: boolean): string {
  return isTty && (process.env['NO_COLOR'] ?? '') === '' ? `\x1b[2m${text}\x1b[0m` : text;
}
