import { invalidRequest } from '../../../core/text.ts';

/** Milliseconds since the epoch as generated code wants them. */
export function dateOf(ms: number): Date {
  return new Date(ms);
}

export function optionalDate(ms: number | undefined): Date | undefined {
  return ms === undefined ? undefined : new Date(ms);
}

/** An environment to set over the inherited one: null removes a variable. */
export function environmentOf(
  env: Readonly<Record<string, string>>,
  unset: readonly string[],
): Record<string, string | null> {
  return { ...Object.fromEntries(unset.map((name) => [name, null])), ...env };
}

/** Error: `invalid_request` for what is no regular expression. */
export function patternOf(
  pattern: { readonly $case: 'text' | 'expression'; readonly value: string } | undefined,
): string | RegExp {
  if (pattern === undefined) throw invalidRequest('Say what to look for: a text or an expression.');
  if (pattern.$case === 'text') return pattern.value;
  try {
    return new RegExp(pattern.value, 'u');
  } catch (error) {
    throw invalidRequest(error instanceof Error ? error.message : String(error));
  }
}

export function required(value: string, field: string): string {
  if (value !== '') return value;
  throw invalidRequest(`${field} is required`);
}
