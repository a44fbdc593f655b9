import * as z from 'zod/mini';

/**
 * The callback of a container: HTTP, POST, JSON. Contract 000, section 2. Both body shapes are taken: the contract's
 * `payload` with `timestamp`, and the `data` of seed 000, which has no timestamp. Other top-level fields are allowed.
 */

/** Longest event type, in characters. */
const typeLimit = 100;
const idLimit = 200;

const record = z.record(z.string(), z.unknown());
const callbackBody = z.object({
  taskId: z.string().check(z.minLength(1), z.maxLength(idLimit)),
  eventType: z.string().check(z.minLength(1), z.maxLength(typeLimit)),
  timestamp: z.optional(z.string().check(z.maxLength(100))),
  payload: z.optional(record),
  data: z.optional(record),
});

export interface ParsedCallback {
  readonly taskId: string;
  readonly eventType: string;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly timestamp: string | undefined;
}

export type CallbackParse =
  | { readonly callback: ParsedCallback }
  | { readonly errors: readonly [string, ...string[]] };

/** The reference listener's words for what is wrong. */
export function parseCallback(body: unknown): CallbackParse {
  const fields = z.safeParse(record, body);
  if (!fields.success) return { errors: ['The body is not a JSON object'] };
  const errors = ['taskId', 'eventType']
    .filter((name) => isMissing(fields.data[name]))
    .map((name) => `Missing required field: ${name}`);
  if (isMissing(fields.data['payload']) && isMissing(fields.data['data'])) {
    errors.push('Missing required field: payload');
  }
  const parsed = z.safeParse(callbackBody, fieldsOf(fields.data));
  if (!parsed.success) {
    const wrong = new Set(parsed.error.issues.map(({ path }) => String(path[0])));
    for (const name of wrong) {
      if (!isMissing(fields.data[name])) errors.push(`Invalid ${name}: ${shown(fields.data[name])}`);
    }
  }
  const [first, ...more] = errors;
  if (first !== undefined) return { errors: [first, ...more] };
  // Unreachable where nothing is wrong: it is what proves that to the compiler.
  if (!parsed.success) return { errors: ['The body is not a callback'] };
  const { taskId, eventType, timestamp, payload, data } = parsed.data;
  return { callback: { taskId, eventType, timestamp, payload: payload ?? data ?? {} } };
}

function isMissing(value: unknown): boolean {
  return value === undefined || value === null;
}

/** Python writes what is None as null. Where there is a payload, `data` is a further field, and may be anything. */
function fieldsOf(body: Record<string, unknown>): Record<string, unknown> {
  const isFurther = (name: string): boolean => name === 'data' && !isMissing(body['payload']);
  return Object.fromEntries(
    Object.entries(body).filter(([name, value]) => value !== null && !isFurther(name)),
  );
}

function shown(value: unknown): string {
  return (typeof value === 'string' ? value : JSON.stringify(value)).slice(0, typeLimit);
}

/** Answers of the reference listener. */
export const notJsonAnswer = { error: 'Request must be JSON' } as const;

export function acceptedAnswer(callback: ParsedCallback): Readonly<Record<string, string>> {
  return {
    status: 'received_ok',
    message_type_received: callback.eventType,
    taskId_received: callback.taskId,
  };
}

export function invalidAnswer(errors: readonly string[]): Readonly<Record<string, unknown>> {
  return { status: 'error', message: 'Validation failed', errors };
}

export function errorAnswer(message: string): Readonly<Record<string, string>> {
  return { status: 'error', message };
}
