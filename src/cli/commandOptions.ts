import { type Command, InvalidArgumentError } from 'commander';
import type { CommandContext } from './commandContext.ts';
import { parseDuration } from './output/format.ts';

/** What every command takes. */
export interface CommonOptions {
  readonly stateDir?: string;
  readonly json?: boolean;
  readonly verbose?: boolean;
}

/** @returns the exit code. */
export type CommandAction<O extends CommonOptions> = (
  context: CommandContext,
  options: O,
  operands: readonly string[],
) => Promise<number>;

/** Adds a subcommand whose `action` answers with the exit code. @param parent the program when missing */
export type AddCommand = <O extends CommonOptions>(
  nameAndArguments: string,
  description: string,
  action: CommandAction<O>,
  parent?: Command,
) => Command;

/** The parser of an option that is a span of time; milliseconds. */
export function duration(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new InvalidArgumentError('It is a time such as 90s, 5m or 1.5h.');
  return ms;
}

/** Of an option that may be given several times. */
export function collect(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value];
}
