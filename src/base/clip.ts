/** What one event carries at most, in bytes. */
export const pieceBytes = 64 * 1024;

const encoder = new TextEncoder();

/** Of the text in UTF-8. */
export function byteLength(text: string): number {
  return encoder.encode(text).length;
}

/** The value itself, or, where it is more than 64 KiB of JSON, its beginning as text with a note of what is missing. */
export function clipped(value: unknown): unknown {
  if (value === undefined || value === null) return null;
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const bytes = byteLength(text);
  if (bytes <= pieceBytes) return value;
  return `${cut(text, pieceBytes)}\n[… cut: ${bytes} bytes in all]`;
}

/** The beginning of a text, at most so many bytes, never half a character. */
export function cut(text: string, limit: number): string {
  // A unit of UTF-16 is at least one byte and at most three, so this is near and never slow.
  const bytes = encoder.encode(text.slice(0, limit));
  if (bytes.length <= limit) return withoutHalf(text.slice(0, limit));
  let end = limit;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return new TextDecoder().decode(bytes.subarray(0, end));
}

/** Pieces of at most `pieceBytes`, which together are the text. */
export function pieces(text: string): string[] {
  const found: string[] = [];
  for (let rest = text; rest !== ''; ) {
    const piece = cut(rest, pieceBytes);
    // Half a character at the very end of the text.
    found.push(piece === '' ? rest : piece);
    rest = piece === '' ? '' : rest.slice(piece.length);
  }
  return found;
}

function withoutHalf(text: string): string {
  const last = text.charCodeAt(text.length - 1);
  return last >= 0xd800 && last <= 0xdbff ? text.slice(0, -1) : text;
}
