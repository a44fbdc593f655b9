// MCP clients that are not ours: the official SDK's first line, over standard input and output and over HTTP.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { join } from 'node:path';
import { type CliFixture, node, plainEnvironment } from '../integration/cliHarness.ts';

export interface ToolAnswer {
  readonly isError: boolean;
  /** What a model reads. */
  readonly text: string;
  /** Empty where it is an error. */
  readonly data: Readonly<Record<string, unknown>>;
}

export type Progress = { readonly progress: number; readonly message?: string | undefined };

export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

export class McpTestClient implements AsyncDisposable {
  readonly client: Client;
  readonly transport: Transport;

  private constructor(client: Client, transport: Transport) {
    this.client = client;
    this.transport = transport;
  }

  static async connect(transport: Transport, name = 'claude-code'): Promise<McpTestClient> {
    const client = new Client({ name, version: '1.0.0' });
    await client.connect(transport);
    return new McpTestClient(client, transport);
  }

  async call(
    name: string,
    args: Record<string, unknown> = {},
    options: CallOptions = {},
  ): Promise<ToolAnswer> {
    const result = await this.client.callTool({ name, arguments: args }, undefined, {
      timeout: 120_000,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      ...(options.onProgress === undefined ? {} : { onprogress: options.onProgress }),
    });
    const content = result.content as readonly { readonly type: string; readonly text: string }[];
    return {
      isError: result.isError === true,
      text: content.map(({ text }) => text).join(''),
      data: (result.structuredContent ?? {}) as Record<string, unknown>,
    };
  }

  /** What it answers, which must not be an error. */
  async ask(
    name: string,
    args: Record<string, unknown> = {},
    options: CallOptions = {},
  ): Promise<ToolAnswer['data']> {
    const { isError, text, data } = await this.call(name, args, options);
    if (isError) throw new Error(`${name} failed: ${text}`);
    return data;
  }

  /** What is told to be wrong, which must be something. */
  async refusal(name: string, args: Record<string, unknown> = {}): Promise<string> {
    const { isError, text } = await this.call(name, args);
    if (!isError) throw new Error(`${name} was not refused: ${text}`);
    return text;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
  }
}

export interface StdioOptions {
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly name?: string;
}

/** `orchestrator mcp` on the fixture's state directory. */
export async function connectStdio(
  cli: CliFixture,
  dist: string,
  { flags = [], env = {}, name }: StdioOptions = {},
): Promise<McpTestClient & { readonly pid: number }> {
  const transport = new StdioClientTransport({
    command: node,
    args: [join(dist, 'cli.js'), 'mcp', '--state-dir', cli.stateDir, ...flags],
    env: { ...plainEnvironment(), ...cli.mark, ...env },
    cwd: cli.root,
    stderr: 'inherit',
  });
  const connected = await McpTestClient.connect(transport, name);
  return Object.assign(connected, { pid: transport.pid ?? 0 });
}
