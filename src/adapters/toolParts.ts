import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { SecretStore } from '../core/ports/secretStore.ts';
import type { ToolParts, ToolServers } from '../core/ports/toolParts.ts';
import { createToolSignIn } from './mcp/signIn.ts';
import { createToolConnector } from './mcp/toolConnector.ts';
import { createSessionFiles } from './system/sessionFiles.ts';

export interface ToolPartsOptions {
  readonly servers: ToolServers;
  readonly secrets: SecretStore;
  /** Of servers that say nothing of their directory: absolute. */
  readonly cwd: () => string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The core's way to tools on this machine. The MCP library is loaded by the first who asks a server. */
export function createToolParts({ servers, secrets, cwd, clock, logger }: ToolPartsOptions): ToolParts {
  return {
    servers,
    connector: createToolConnector({ cwd, environment: process.env, clock, logger }),
    signIn: createToolSignIn({ secrets, clock }),
    filesOf: createSessionFiles,
  };
}
