import type * as vscode from 'vscode';
import type { Logger } from '../../base/logger.ts';

const keptLines = 200;
const keptLineLength = 2_000;

/** The log channel, and its last lines for Copy Diagnostics: VS Code does not let a channel be read. */
export class RecordingLog implements Logger {
  private readonly channel: vscode.LogOutputChannel;
  private readonly recent: string[] = [];

  constructor(channel: vscode.LogOutputChannel) {
    this.channel = channel;
  }

  get lines(): readonly string[] {
    return this.recent;
  }

  show(): void {
    this.channel.show(true);
  }

  trace(message: string, ...details: unknown[]): void {
    this.channel.trace(message, ...details);
  }

  debug(message: string, ...details: unknown[]): void {
    this.channel.debug(message, ...details);
  }

  info(message: string, ...details: unknown[]): void {
    this.record('info', message, details);
    this.channel.info(message, ...details);
  }

  warn(message: string, ...details: unknown[]): void {
    this.record('warn', message, details);
    this.channel.warn(message, ...details);
  }

  error(message: string | Error, ...details: unknown[]): void {
    this.record('error', message instanceof Error ? message.message : message, details);
    this.channel.error(message, ...details);
  }

  private record(level: string, message: string, details: readonly unknown[]): void {
    const more = details.map((detail) => (detail instanceof Error ? detail.message : String(detail)));
    const line = [new Date().toISOString(), `[${level}]`, message, ...more].join(' ');
    this.recent.push(line.slice(0, keptLineLength));
    if (this.recent.length > keptLines) this.recent.shift();
  }
}
