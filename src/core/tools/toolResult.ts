/** What a tool answers, made fit for a model and for an event. */
export interface ToolAnswer {
  readonly text: string;
  readonly value: unknown;
  /** The tool itself says that it has failed. */
  readonly isError: boolean;
}

/** Of what a model is given, in bytes of UTF-8. */
export const answerLimitBytes = 256 * 1024;

/**
 * An MCP `CallToolResult`. Texts are joined; what is no text is named with its type and size. Both parts are bounded:
 * whatever a server sends, an event stays within the limit.
 */
export function toolAnswer(result: Readonly<Record<string, unknown>>): ToolAnswer {
  const { content, structuredContent, isError } = result;
  const parts = (Array.isArray(content) ? content : []).map(partText);
  const joined = parts.join('\n');
  const structured = structuredContent === undefined ? undefined : JSON.stringify(structuredContent);
  const text = boundText(joined.trim() === '' && structured !== undefined ? structured : joined);
  const hasRoom = structured !== undefined && structured.length + text.length <= answerLimitBytes;
  return {
    text,
    value: hasRoom ? { text, structured: structuredContent } : { text },
    isError: isError === true,
  };
}

/** Cut to the limit, which it says; without halves of characters. */
export function boundText(text: string, limitBytes: number = answerLimitBytes): string {
  // Every character takes at most three bytes a unit.
  if (text.length * 3 <= limitBytes) return text.toWellFormed();
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= limitBytes) return text.toWellFormed();
  const note = `\n[cut: ${bytes.length} bytes in all]`;
  const kept = bytes.subarray(0, limitBytes - note.length);
  return new TextDecoder().decode(kept).replace(/\uFFFD+$/, '') + note;
}

function partText(part: unknown): string {
  if (typeof part !== 'object' || part === null) return '';
  const { type, text, data, mimeType, resource, uri, name } = part as Readonly<Record<string, unknown>>;
  switch (type) {
    case 'text':
      return typeof text === 'string' ? text : '';
    case 'image':
    case 'audio':
      return `[${type}: ${shown(mimeType)}, ${sizeOf(data)} bytes]`;
    case 'resource_link':
      return `[link: ${shown(name)} ${shown(uri)}]`;
    case 'resource':
      return resourceText(resource);
    default:
      return `[${shown(type)}]`;
  }
}

function resourceText(resource: unknown): string {
  const { uri, text, mimeType, blob } = (resource ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof text === 'string') return text;
  return `[resource: ${shown(uri)}, ${shown(mimeType)}, ${sizeOf(blob)} bytes]`;
}

function shown(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, 2_000) : 'unknown';
}

/** Of base64. */
function sizeOf(data: unknown): number {
  return typeof data === 'string' ? Math.floor((data.length * 3) / 4) : 0;
}
