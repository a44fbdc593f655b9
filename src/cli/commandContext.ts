import type { Logger } from '../base/logger.ts';
import type { OutputWriter } from './output/outputWriter.ts';

/** What every command is given. */
export interface CommandContext {
  /** Absolute. */
  readonly stateDir: string;
  /** Answers are for a program: JSON, one object a line. */
  readonly isJson: boolean;
  readonly out: OutputWriter;
  readonly err: OutputWriter;
  readonly logger: Logger;
}
