/** Proto3 has no word for "not given": empty and zero stand for it where they mean nothing. */
export function given<T extends string | number>(value: T): T | undefined {
  return value === '' || value === 0 ? undefined : value;
}
