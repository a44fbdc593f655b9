import { invalidRequest } from '../text.ts';

/**
 * JSON as editors write it: with comments, and commas before a closing bracket. Error: `invalid_request`, with what the
 * parser says.
 */
export function parseCommentedJson(text: string): unknown {
  try {
    return JSON.parse(plainJson(text)) as unknown;
  } catch (error) {
    throw invalidRequest(`It is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** A string, a comment, or a comma with what is behind it. What is in a string is never looked into. */
const parts = /"(?:[^"\\]|\\.)*"|\/\/[^\n]*|\/\*[^]*?\*\/|,/g;

function plainJson(text: string): string {
  const bare = text.replace(/^\uFEFF/, '').replace(parts, (part) => (part.startsWith('/') ? ' ' : part));
  // Comments are gone: behind a last comma there is only space.
  return bare.replace(parts, (part, offset: number) =>
    part === ',' && /^\s*[}\]]/.test(bare.slice(offset + 1, offset + 4_096)) ? '' : part,
  );
}
