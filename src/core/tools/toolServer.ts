/** How an MCP server is reached. Written down as it is: what is secret is only named (`secretEnv`, `secretHeaders`). */
export type ToolServer = StdioToolServer | HttpToolServer;

interface ToolServerBase {
  /** Its provider's name: lower case letters, digits, `-`, `_`; at most 64. */
  readonly name: string;
  readonly displayName: string;
  /** Its tools under other names: ours by its own. Tools of a catalogue are bound like this. */
  readonly aliases: Readonly<Record<string, string>>;
  /** Of one call, in milliseconds. */
  readonly callTimeoutMs: number;
}

export interface StdioToolServer extends ToolServerBase {
  readonly kind: 'stdio';
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string | null;
  readonly env: Readonly<Record<string, string>>;
  /** Variables whose values are among the secrets, by the variable's name. */
  readonly secretEnv: readonly string[];
}

export interface HttpToolServer extends ToolServerBase {
  readonly kind: 'http';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Headers whose values are among the secrets; `authorization` where it was signed in to by OAuth. */
  readonly secretHeaders: readonly string[];
}

/** Values by the server's name and then by that of the variable or header. Never stored, logged, or put into an event. */
export type ToolSecrets = Readonly<Record<string, Readonly<Record<string, string>>>>;
