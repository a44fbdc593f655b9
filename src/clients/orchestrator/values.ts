import { OrchestratorError } from '../../base/errors.ts';

/** Milliseconds since the epoch. */
export function timeOf(date: Date | undefined): number {
  return date?.getTime() ?? 0;
}

export function optionalTime(date: Date | undefined): number | undefined {
  return date?.getTime();
}

/** A message that every answer of this kind holds. */
export function present<T>(message: T | undefined, what: string): T {
  if (message !== undefined) return message;
  throw new OrchestratorError(
    'INTERNAL',
    'protocol_violation',
    `The orchestrator's answer holds no ${what}.`,
  );
}

/** The word for a number of the wire. A newer orchestrator may have more of them than we know. */
export function wordOf<T extends string>(words: Readonly<Record<number, T>>, value: number, what: string): T {
  const word = words[value];
  if (word !== undefined) return word;
  throw new OrchestratorError(
    'UNIMPLEMENTED',
    'protocol_violation',
    `The orchestrator tells a ${what} that this version does not know (${value}). Update it to the same version.`,
  );
}
