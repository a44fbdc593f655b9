/** Who has tools: an MCP server, or the orchestrator itself (`terminal`, `container`, `files`). */
export interface ToolProvider {
  /** Lower case; what constraints and requests call it. */
  readonly provider: string;
  readonly displayName: string;
  /** Whether its tools can be called now. */
  readonly isAuthorized: boolean;
  /** Whether it is known how to reach it. */
  readonly isConfigured: boolean;
  /** Empty until it has been asked for them. */
  readonly tools: readonly Tool[];
  /** Why there are none: a sentence for a person. */
  readonly problem?: string | undefined;
}

/** What a model may call. */
export interface Tool {
  /** One of its kind in the orchestrator, to the letter: `slack_post_message`. */
  readonly name: string;
  readonly provider: string;
  readonly description: string;
  /** JSON Schema of its arguments: an object. */
  readonly inputSchema: Readonly<Record<string, unknown>>;
}

/** Contract 004, section 3. Providers are trimmed and in lower case, tools trimmed; an empty list is null. */
export interface ToolConstraints {
  readonly mode: 'auto' | 'custom';
  readonly providers: readonly string[] | null;
  readonly tools: readonly string[] | null;
}

/** Why a tool is not called. The first four are the contract's. */
export type ToolRefusal =
  | 'filtered'
  | 'unauthorized'
  | 'unconfigured'
  | 'tool_filter'
  /** There is no tool of exactly this name. */
  | 'unknown_tool'
  /** Its provider is there and does not answer. */
  | 'unreachable';
