/** How other programs start `orchestrator mcp` for this workspace. */
export interface McpProgram {
  /** Absolute paths. */
  readonly node: string;
  readonly cli: string;
  readonly stateDir: string;
  /** `node` is the editor's program, which is Node when its environment says so. */
  readonly isEditor: boolean;
}

export interface McpConfiguration {
  readonly mcpServers: Readonly<
    Record<
      string,
      {
        readonly command: string;
        readonly args: readonly string[];
        readonly env?: Readonly<Record<string, string>>;
      }
    >
  >;
}

const serverName = 'orchestrator';
const editorIsNode = 'ELECTRON_RUN_AS_NODE';

/** As `.mcp.json` and most clients have it. */
export function mcpConfiguration({ node, cli, stateDir, isEditor }: McpProgram): McpConfiguration {
  const server = { command: node, args: [cli, 'mcp', '--state-dir', stateDir] };
  return { mcpServers: { [serverName]: isEditor ? { ...server, env: { [editorIsNode]: '1' } } : server } };
}

/** A line for a POSIX shell. */
export function claudeCommandLine({ node, cli, stateDir, isEditor }: McpProgram): string {
  const words = [
    ...['claude', 'mcp', 'add', serverName],
    ...(isEditor ? ['-e', `${editorIsNode}=1`] : []),
    ...['--', node, cli, 'mcp', '--state-dir', stateDir],
  ];
  return words.map(quoted).join(' ');
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
