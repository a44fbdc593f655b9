/** How much one client gets. */
export interface McpLimits {
  /** Tools of one client that work at a time. */
  readonly callsAtATime: number;
  /** Bytes of one result as JSON. */
  readonly resultBytes: number;
  /** Bytes of text in one result, as JSON has it: less than the result, which says more than the text. */
  readonly textBytes: number;
  /** Rows of one list. */
  readonly rows: number;
  /** How often somebody who asked for progress hears of it, in milliseconds. */
  readonly progressMs: number;
  /** Connections of streamable HTTP that remember their client, of all callers … */
  readonly sessions: number;
  /** … and of one. */
  readonly sessionsPerCaller: number;
  /** After so long without a request such a connection is forgotten, in milliseconds. */
  readonly sessionIdleMs: number;
  /** Bytes of one request. */
  readonly requestBytes: number;
}

export const defaultMcpLimits: McpLimits = {
  callsAtATime: 16,
  resultBytes: 64 * 1024,
  textBytes: 48 * 1024,
  rows: 100,
  progressMs: 1_000,
  sessions: 256,
  sessionsPerCaller: 64,
  sessionIdleMs: 30 * 60 * 1_000,
  requestBytes: 1024 * 1024,
};
