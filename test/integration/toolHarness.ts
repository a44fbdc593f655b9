import { fileURLToPath } from 'node:url';
import { openToolSet, type OpenToolSetOptions } from '../../src/adapters/mcp/toolSet.ts';
import { systemClock } from '../../src/base/clock.ts';
import { nullLogger } from '../../src/base/logger.ts';
import { noConstraints } from '../../src/core/tools/toolConstraints.ts';
import type { HttpToolServer, StdioToolServer } from '../../src/core/tools/toolServer.ts';
import type { ToolSet } from '../../src/core/tools/toolSet.ts';

const modules = fileURLToPath(new URL('../../node_modules/@modelcontextprotocol/', import.meta.url));
const fixtures = fileURLToPath(new URL('fixtures/mcp/', import.meta.url));

export const never = new AbortController().signal;

export function everythingProgram(): string {
  return `${modules}server-everything/dist/index.js`;
}

/** A server that runs on this Node. */
export function stdioServer(
  name: string,
  args: readonly string[],
  more: Partial<StdioToolServer> = {},
): StdioToolServer {
  return {
    kind: 'stdio',
    name,
    displayName: name,
    aliases: {},
    callTimeoutMs: 10_000,
    command: process.execPath,
    args,
    cwd: null,
    env: {},
    secretEnv: [],
    ...more,
  };
}

export function httpToolServer(
  name: string,
  url: string,
  more: Partial<HttpToolServer> = {},
): HttpToolServer {
  return {
    kind: 'http',
    name,
    displayName: name,
    aliases: {},
    callTimeoutMs: 10_000,
    url,
    headers: {},
    secretHeaders: [],
    ...more,
  };
}

export const everythingServer = (): StdioToolServer => stdioServer('everything', [everythingProgram()]);

export const filesystemServer = (folder: string): StdioToolServer =>
  stdioServer('filesystem', [`${modules}server-filesystem/dist/index.js`, folder]);

export const countingServer = (
  name: string,
  journal: string,
  tools: readonly string[],
  more: Partial<StdioToolServer> = {},
): StdioToolServer => stdioServer(name, [`${fixtures}countingServer.mjs`, journal, ...tools], more);

export const hostileServer = (way: string, more: Partial<StdioToolServer> = {}): StdioToolServer =>
  stdioServer('hostile', [`${fixtures}hostileServer.mjs`, way], more);

export function openTools(options: Partial<OpenToolSetOptions>): Promise<ToolSet> {
  return openToolSet({
    servers: [],
    secrets: {},
    constraints: noConstraints,
    builtIns: {},
    cwd: process.cwd(),
    environment: process.env,
    clock: systemClock,
    logger: nullLogger,
    ...options,
  });
}
