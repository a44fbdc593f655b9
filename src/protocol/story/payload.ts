/** Payloads come from a worker or a foreign server: each reader has an answer for whatever stands there. */
export type Data = Readonly<Record<string, unknown>>;

export function isPlainText(value: unknown): value is string {
  return typeof value === 'string';
}

/** Empty where it is missing or no text. */
export function textOf(data: Data, key: string): string {
  const value = data[key];
  return isPlainText(value) ? value : '';
}

export function numberOf(data: Data, key: string): number | undefined {
  const value = data[key];
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

export function recordOf(value: unknown): Data | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Data) : undefined;
}
