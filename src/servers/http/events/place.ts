/** A place in the stream of frames, as `id:` of an event has it: `12.0`. */
export interface Place {
  readonly seq: number;
  readonly part?: number | undefined;
}

export function placeText({ seq, part }: Place): string {
  return part === undefined ? String(seq) : `${seq}.${part}`;
}

/** Undefined where the text is no place. */
export function parsePlace(text: string): Place | undefined {
  const match = /^(\d{1,15})(?:\.(\d{1,9}))?$/.exec(text);
  if (match === null) return undefined;
  const part = match[2];
  return { seq: Number(match[1]), ...(part === undefined ? {} : { part: Number(part) }) };
}
