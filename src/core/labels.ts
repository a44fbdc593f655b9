import { invalidRequest } from './text.ts';

export type Labels = Readonly<Record<string, string>>;

const countLimit = 64;
const keyLimit = 256;
const textLimit = 4_096;

/** Whether every wanted pair is there. */
export function hasLabels(labels: Labels | undefined, wanted: Labels | undefined): boolean {
  if (wanted === undefined) return true;
  return Object.entries(wanted).every(
    ([key, value]) => labels !== undefined && Object.hasOwn(labels, key) && labels[key] === value,
  );
}

/** At most 64 pairs; keys to 256, values to 4,096 characters. Error: `invalid_request`. */
export function validLabels(labels: Labels | undefined, what: string): Labels {
  const entries = Object.entries(labels ?? {});
  checkCount(entries.length, `labels of the ${what}`);
  for (const [key, value] of entries) {
    checkLength(key, keyLimit, `A key of the labels of the ${what}`);
    checkLength(value, textLimit, `The label "${key}" of the ${what}`);
  }
  return Object.fromEntries(entries);
}

/** At most 64 of at most 256 characters. Error: `invalid_request`. */
export function validTexts(texts: readonly string[] | undefined, what: string): readonly string[] {
  checkCount(texts?.length ?? 0, what);
  for (const text of texts ?? []) checkLength(text, keyLimit, `One of the ${what}`);
  return [...(texts ?? [])];
}

/** At most 4,096 characters. Error: `invalid_request`. */
export function validDescription(text: string | undefined, what: string): string {
  checkLength(text ?? '', textLimit, `The description of the ${what}`);
  return text ?? '';
}

function checkCount(count: number, what: string): void {
  if (count > countLimit)
    throw invalidRequest(`There are too many ${what}: ${count}, at most ${countLimit}.`);
}

function checkLength(text: string, limit: number, what: string): void {
  if (text.length > limit) throw invalidRequest(`${what} is too long: at most ${limit} characters.`);
}
