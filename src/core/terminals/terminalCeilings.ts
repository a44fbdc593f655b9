import { OrchestratorError } from '../../base/errors.ts';
import type { TerminalCeilings, TerminalStatus } from '../ports/processHost.ts';
import { checkInteger } from '../text.ts';

const mebibyte = 1024 * 1024;

/** Checks what is asked for; undefined where that is no ceiling at all. Error: `invalid_request`. */
export function validCeilings(ceilings: TerminalCeilings | undefined): TerminalCeilings | undefined {
  const { memoryBytes, cpuPercent, processes } = ceilings ?? {};
  if (memoryBytes !== undefined) {
    // Less is not even enough for a shell to start.
    checkInteger(memoryBytes, 8 * mebibyte, Number.MAX_SAFE_INTEGER, "The terminal's memory, in bytes,");
  }
  if (cpuPercent !== undefined) {
    checkInteger(cpuPercent, 1, 100_000, "The terminal's share of a processor, in percent,");
  }
  if (processes !== undefined) checkInteger(processes, 1, 1_000_000, "The terminal's number of processes");
  const given = Object.entries({ memoryBytes, cpuPercent, processes }).filter(
    ([, value]) => value !== undefined,
  );
  return given.length === 0 ? undefined : Object.fromEntries(given);
}

/** A process host of an older version does not know ceilings and starts the program without. */
export function checkCeilings(asked: TerminalCeilings | undefined, { ceilings }: TerminalStatus): void {
  if (asked === undefined || ceilings !== undefined) return;
  throw new OrchestratorError(
    'FAILED_PRECONDITION',
    'ceilings_unavailable',
    'The terminal cannot be given ceilings: the process host that runs is of an older version. It is replaced once nothing runs under it.',
  );
}
