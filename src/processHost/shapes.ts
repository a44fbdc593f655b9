import { OrchestratorError } from '../base/errors.ts';

/**
 * A schema in the little that the host's door needs. A library for it would be most of the host's code and a good part
 * of its memory, which every fork of a terminal has to copy.
 */

/** Answers the value as what it is known to be from there on. @throws OrchestratorError invalid_request */
export type Shape<T> = (value: unknown, path: string) => T;
export type ShapeOf<S> = S extends Shape<infer T> ? T : never;

export function text(options: { min?: number; max?: number; allowsNul?: boolean } = {}): Shape<string> {
  const { min = 0, max = Number.POSITIVE_INFINITY, allowsNul = false } = options;
  return (value, path) => {
    if (typeof value !== 'string') fail(path, 'must be a text');
    if (value.length < min || value.length > max) fail(path, `must have ${min} to ${max} characters`);
    if (!allowsNul && value.includes('\0')) fail(path, 'must not contain a NUL character');
    return value;
  };
}

export function matching(pattern: RegExp, what: string): Shape<string> {
  return (value, path) => (typeof value === 'string' && pattern.test(value) ? value : fail(path, what));
}

export function integer(min: number, max = Number.MAX_SAFE_INTEGER): Shape<number> {
  return (value, path) => {
    const fits = typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max;
    return fits ? value : fail(path, `must be a whole number from ${min} to ${max}`);
  };
}

export const truth: Shape<boolean> = (value, path) =>
  typeof value === 'boolean' ? value : fail(path, 'must be true or false');

/** Whatever came; its user looks at it no further, or checks it by itself. */
export const anything: Shape<unknown> = (value) => value;

export function oneOf<const T extends string>(...values: T[]): Shape<T> {
  return (value, path) => values.find((one) => one === value) ?? fail(path, `must be ${values.join(' or ')}`);
}

export function listOf<T>(item: Shape<T>): Shape<T[]> {
  return (value, path) =>
    Array.isArray(value)
      ? value.map((one, index) => item(one, `${path}.${index}`))
      : fail(path, 'must be a list');
}

export function recordOf<T>(name: Shape<string>, item: Shape<T>): Shape<Record<string, T>> {
  return (value, path) =>
    Object.fromEntries(
      Object.entries(plainObject(value, path)).map(([key, one]) => [
        name(key, `${path}.${key}`),
        item(one, `${path}.${key}`),
      ]),
    );
}

type Shapes = Record<string, Shape<unknown>>;
type Values<S extends Shapes> = { [K in keyof S]: ShapeOf<S[K]> };

/** Only the named properties; those of `optional` are left out where they are missing. */
export function object<R extends Shapes>(required: R): Shape<Values<R>>;
export function object<R extends Shapes, O extends Shapes>(
  required: R,
  optional: O,
): Shape<Values<R> & Partial<Values<O>>>;
export function object(required: Shapes, optional: Shapes = {}): Shape<Record<string, unknown>> {
  return (value, path) => {
    const source = plainObject(value, path);
    const at = (name: string): string => (path === '' ? name : `${path}.${name}`);
    const result: Record<string, unknown> = {};
    for (const [name, shape] of Object.entries(required)) result[name] = shape(source[name], at(name));
    for (const [name, shape] of Object.entries(optional)) {
      if (source[name] !== undefined) result[name] = shape(source[name], at(name));
    }
    return result;
  };
}

function plainObject(value: unknown, path: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) fail(path, 'must be an object');
  return value as Record<string, unknown>;
}

function fail(path: string, what: string): never {
  throw new OrchestratorError(
    'INVALID_ARGUMENT',
    'invalid_request',
    `The request is not valid: ${path === '' ? 'it' : path} ${what}.`,
    { details: { path } },
  );
}
