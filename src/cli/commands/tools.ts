import { resolve } from 'node:path';
import { openToolSet } from '../../adapters/mcp/toolSet.ts';
import { serversOfFile } from '../../adapters/mcp/serverFile.ts';
import { createSecretFile } from '../../adapters/system/secretFile.ts';
import { createSessionFiles } from '../../adapters/system/sessionFiles.ts';
import { createToolParts } from '../../adapters/toolParts.ts';
import { systemClock } from '../../base/clock.ts';
import { OrchestratorError } from '../../base/errors.ts';
import { invalidRequest } from '../../core/text.ts';
import { ToolRegistry } from '../../core/tools/toolRegistry.ts';
import type { ToolOutcome } from '../../core/tools/toolSet.ts';
import type { CommandContext } from '../commandContext.ts';
import { exitCode } from '../exitCodes.ts';
import { formatTable } from '../output/table.ts';
import { statePaths } from '../stateDir.ts';
import { untilStopped } from '../untilStopped.ts';

export interface ToolsOptions {
  /** Undefined for that of the state directory. */
  readonly file: string | undefined;
}

/** Lists what can be called: built-in tools, and those of the servers that answer. */
export function listTools(context: CommandContext, options: ToolsOptions): Promise<number> {
  return withRegistry(context, options, async (registry) => {
    const { out, isJson } = context;
    const tools = await registry.tools();
    await (isJson
      ? out.writeJson({ tools })
      : out.writeLine(
          formatTable(
            ['NAME', 'PROVIDER', 'DESCRIPTION'],
            tools.map(({ name, provider, description }) => [name, provider, firstLine(description)]),
            process.stdout.columns,
          ),
        ));
    return exitCode.ok;
  });
}

/** Lists who has tools. Exits with 1 where something is wrong with one. */
export function listServers(context: CommandContext, options: ToolsOptions): Promise<number> {
  return withRegistry(context, options, async (registry) => {
    const { out, isJson } = context;
    const providers = await registry.load();
    const { problems } = registry;
    if (isJson) await out.writeJson({ providers, problems });
    else {
      const state = (isAuthorized: boolean, isConfigured: boolean): string =>
        isAuthorized ? 'ready' : isConfigured ? 'not ready' : 'not configured';
      const rows = providers.map(({ provider, isAuthorized, isConfigured, tools, problem }) => [
        provider,
        state(isAuthorized, isConfigured),
        String(isAuthorized ? tools.length : 0),
        firstLine(problem ?? ''),
      ]);
      const wrong = problems.map(({ name, problem }) => [name, 'wrong', '0', firstLine(problem)]);
      await out.writeLine(formatTable(['PROVIDER', 'STATE', 'TOOLS', 'PROBLEM'], [...rows, ...wrong]));
    }
    const isWrong = providers.some(({ isAuthorized, isConfigured }) => isConfigured && !isAuthorized);
    return isWrong || problems.length > 0 ? exitCode.error : exitCode.ok;
  });
}

/** Calls one tool; nothing but its server is started. Exits with 1 where it fails, with 4 where it is not called. */
export function callTool(
  context: CommandContext,
  options: ToolsOptions & {
    readonly name: string;
    readonly json: string | undefined;
    readonly cwd: string | undefined;
  },
): Promise<number> {
  const args = parseArguments(options.json ?? '{}');
  return withRegistry(context, options, async (registry) => {
    const { out, err, isJson, logger } = context;
    const { name } = options;
    const cwd = resolve(options.cwd ?? '.');
    const stop = new AbortController();
    const call = async (): Promise<ToolOutcome> => {
      await using set = await openToolSet({
        ...(await registry.forRun()),
        constraints: { mode: 'custom', providers: null, tools: [name] },
        builtIns: { files: createSessionFiles(cwd) },
        cwd,
        environment: process.env,
        clock: systemClock,
        logger,
        signal: stop.signal,
      });
      return await set.call({ name, arguments: args }, stop.signal);
    };
    const outcome = await untilStopped(stop, call());
    if (isJson) await out.writeJson(outcome);
    switch (outcome.kind) {
      case 'completed':
        if (!isJson) await out.writeLine(outcome.text);
        return exitCode.ok;
      case 'failed':
        await err.writeLine(`orchestrator: ${name} failed: ${outcome.error}`);
        return exitCode.error;
      case 'skipped':
        await err.writeLine(`orchestrator: ${name} was not called: ${outcome.reason}.`);
        return exitCode.notFound;
    }
  });
}

async function withRegistry(
  { stateDir, logger }: CommandContext,
  { file }: ToolsOptions,
  use: (registry: ToolRegistry) => Promise<number>,
): Promise<number> {
  const paths = statePaths(stateDir);
  const servers = serversOfFile(file ?? paths.tools, { isNeeded: file !== undefined });
  const secrets = createSecretFile(paths.secrets);
  const parts = createToolParts({ servers, secrets, cwd: () => process.cwd(), clock: systemClock, logger });
  const registry = new ToolRegistry(parts, systemClock, logger);
  try {
    return await use(registry);
  } finally {
    registry.dispose();
    servers.dispose();
  }
}

function parseArguments(json: string): unknown {
  try {
    return JSON.parse(json) as unknown;
  } catch (error) {
    throw invalidRequest(`The arguments are not JSON: ${OrchestratorError.from(error).message}`);
  }
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
