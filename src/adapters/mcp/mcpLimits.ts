import type { FetchLimits } from './boundedFetch.ts';
import type { StdioLimits } from './stdioTransport.ts';

/** What a server may make us wait for and hold. Injected by tests. */
export interface McpLimits extends StdioLimits, FetchLimits {
  /** From starting a server to having its tools, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** Tools of one server; further ones are left out, and it is said. */
  readonly maxTools: number;
  /** Of one tool's schema as JSON, in characters; a tool with a larger one is left out. */
  readonly maxSchemaLength: number;
  /** Of one tool's description, in characters; what is more is cut. */
  readonly maxDescriptionLength: number;
  /** How long a server may take to end its session, in milliseconds. */
  readonly closeTimeoutMs: number;
}

export const defaultMcpLimits: McpLimits = {
  connectTimeoutMs: 10_000,
  maxTools: 1_000,
  maxSchemaLength: 64 * 1024,
  maxDescriptionLength: 8 * 1024,
  closeTimeoutMs: 2_000,
  killAfterMs: 2_000,
  maxMessageBytes: 16 * 1024 * 1024,
  maxUnsentBytes: 16 * 1024 * 1024,
  headersTimeoutMs: 60_000,
  maxAnswerBytes: 16 * 1024 * 1024,
};
