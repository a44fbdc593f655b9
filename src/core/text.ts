import { OrchestratorError } from '../base/errors.ts';

/** Small rules for text that people and clients send. */

export const nameLimit = 120;

/** A name as it is kept: without blanks around it, on one line, 1 to 120 characters. Error: `invalid_request`. */
export function validName(name: string, what: string): string {
  const clean = name.replace(/\s+/g, ' ').trim();
  if (clean.length === 0) throw invalidRequest(`Give the ${what} a name.`);
  if (clean.length > nameLimit) {
    throw invalidRequest(`The name of the ${what} is too long: at most ${nameLimit} characters.`);
  }
  return clean;
}

/** The last part of a path of either kind, shortened to what a name may hold; the path itself where it has none. */
export function baseName(path: string): string {
  const last = path.split(/[\\/]/).findLast((part) => part.length > 0);
  return (last ?? path).slice(0, nameLimit);
}

/** Whether the path is absolute on POSIX or on Windows. */
export function isAbsolutePath(path: string): boolean {
  return /^(?:\/|[A-Za-z]:[\\/]|\\\\)/.test(path);
}

/** The same directory by one name: without slashes at its end. */
export function trimPath(path: string): string {
  const trimmed = path.replace(/[\\/]+$/, '');
  // What is left of a root alone is the root.
  return trimmed.length === 0 || /^[A-Za-z]:$/.test(trimmed) ? path : trimmed;
}

export function invalidRequest(message: string): OrchestratorError {
  return new OrchestratorError('INVALID_ARGUMENT', 'invalid_request', message);
}

/** For doors that code without our types comes through. Error: `invalid_request`. */
export function checkText(value: unknown, what: string): asserts value is string {
  if (typeof value !== 'string') throw invalidRequest(`${what} must be a text, not ${typeOf(value)}.`);
}

function typeOf(value: unknown): string {
  return value === null ? 'null' : typeof value;
}

/** Checks an integer of a request. Error: `invalid_request`. */
export function checkInteger(value: number, min: number, max: number, what: string): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  throw invalidRequest(`${what} must be a whole number from ${min} to ${max}, not ${String(value)}.`);
}
