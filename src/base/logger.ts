/** Structurally a part of VS Code's `LogOutputChannel`, so that the editor's channel can be passed as it is. */
export interface Logger {
  trace(message: string, ...details: unknown[]): void;
  debug(message: string, ...details: unknown[]): void;
  info(message: string, ...details: unknown[]): void;
  warn(message: string, ...details: unknown[]): void;
  error(message: string | Error, ...details: unknown[]): void;
}

const ignore = (): void => undefined;

export const nullLogger: Logger = { trace: ignore, debug: ignore, info: ignore, warn: ignore, error: ignore };
