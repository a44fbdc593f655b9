import { format } from 'node:util';
import type { Logger } from '../base/logger.ts';

/** One line an entry on standard error. */
export function createStderrLogger(): Logger {
  const write =
    (level: string) =>
    (message: string | Error, ...details: unknown[]): void => {
      process.stderr.write(`${new Date().toISOString()} ${level} ${format(message, ...details)}\n`);
    };
  return {
    trace: () => undefined,
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
  };
}
