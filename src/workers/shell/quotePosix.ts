/** One word of a POSIX shell that stands for exactly `text`, whatever is in it but NUL. */
export function quotePosix(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
