import type { Clock } from '../../base/clock.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { UnavailableTools } from '../../core/runs/runEvents.ts';
import { checkArguments } from '../../core/tools/argumentCheck.ts';
import { callBuiltIn } from '../../core/tools/builtInCalls.ts';
import {
  builtInProviders,
  builtInTools,
  type BuiltInTools,
  isBuiltIn,
  isOnByDefault,
} from '../../core/tools/builtInTools.ts';
import { catalogue, catalogueAction } from '../../core/tools/catalogue.ts';
import type { Tool, ToolConstraints, ToolRefusal } from '../../core/tools/tool.ts';
import { exclusionOf } from '../../core/tools/toolConstraints.ts';
import { joinTools, mayProvide, type NamedTool, nameTools } from '../../core/tools/toolNames.ts';
import { boundText, type ToolAnswer } from '../../core/tools/toolResult.ts';
import type { ToolSecrets, ToolServer } from '../../core/tools/toolServer.ts';
import type { ToolCall, ToolOutcome, ToolSet } from '../../core/tools/toolSet.ts';
import { connectToServer, type McpConnection, ServerFailure } from './mcpConnection.ts';
import { defaultMcpLimits, type McpLimits } from './mcpLimits.ts';

export interface OpenToolSetOptions {
  /** All that are configured; those that the constraints cannot mean are not started. */
  readonly servers: readonly ToolServer[];
  readonly secrets: ToolSecrets;
  readonly constraints: ToolConstraints;
  /** What is missing of it cannot be used in this set. */
  readonly builtIns: BuiltInTools;
  /** Built-in providers that may run commands without the constraints' naming them: `terminal`, `container`. */
  readonly toolsAllowed?: readonly string[] | undefined;
  /** Of servers that say nothing of their directory. */
  readonly cwd: string;
  /** Servers get the harmless part of it. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly limits?: Partial<McpLimits> | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends the opening; what has been opened by then is closed. Error: `aborted`. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens the tools of one run: its servers, all at a time, and the built-in ones. A server that does not come up is
 * `unavailable`, and no error. Disposing ends every server. It takes at most the limit of connecting.
 */
export async function openToolSet(options: OpenToolSetOptions): Promise<ToolSet> {
  const set = new OpenToolSet(options);
  try {
    await set.open(options.signal ?? new AbortController().signal);
    return set;
  } catch (error) {
    await set[Symbol.asyncDispose]();
    throw error;
  }
}

class OpenToolSet implements ToolSet {
  readonly constraints: ToolConstraints;
  private readonly options: OpenToolSetOptions;
  private readonly connections = new Map<string, McpConnection>();
  private readonly callable = new Map<string, Tool | NamedTool>();
  /** What there is and may not be called, with why. */
  private readonly refused = new Map<string, { provider: string; reason: ToolRefusal }>();
  private readonly failures = new Map<string, ToolRefusal>();
  private readonly _unavailable: UnavailableTools[] = [];
  private closing: Promise<void> | undefined;

  constructor(options: OpenToolSetOptions) {
    this.options = options;
    this.constraints = options.constraints;
  }

  get tools(): readonly Tool[] {
    return [...this.callable.values()];
  }

  get unavailable(): readonly UnavailableTools[] {
    return this._unavailable;
  }

  async open(signal: AbortSignal): Promise<void> {
    const { servers, secrets, cwd, environment, clock, logger } = this.options;
    const limits = { ...defaultMcpLimits, ...this.options.limits };
    const needed = servers.filter((server) => this.isNeeded(server));
    const lists = await Promise.all(
      needed.map(async (server) => {
        try {
          const own = secrets[server.name] ?? {};
          const connection = await connectToServer(
            { server, secrets: own, cwd, environment, limits, clock },
            signal,
          );
          this.connections.set(server.name, connection);
          if (connection.problem !== undefined) logger.warn(`Tools of ${server.name}: ${connection.problem}`);
          return nameTools(server, connection.tools, servers);
        } catch (error) {
          const failure = asFailure(error);
          logger.warn(`The tool server ${server.name} did not come up: ${failure.message}`);
          this.failures.set(server.name, failure.reason);
          return [];
        }
      }),
    );
    if (signal.aborted) throw new OrchestratorError('CANCELLED', 'aborted', 'It was stopped.');
    this.admit(joinTools(lists));
    this.tellUnavailable(needed);
  }

  async call(call: ToolCall, signal: AbortSignal): Promise<ToolOutcome> {
    // To the letter, and nothing else: this is where the constraints hold.
    const tool = this.callable.get(call.name);
    if (tool === undefined || this.closing !== undefined) return this.refusalOf(call.name);
    const { provider } = tool;
    const wrong = checkArguments(tool.inputSchema, call.arguments);
    if (wrong !== undefined) return { kind: 'failed', provider, error: `The arguments do not fit: ${wrong}` };
    const args = call.arguments as Readonly<Record<string, unknown>>;
    try {
      const answer =
        'server' in tool ? await this.ask(tool, args, signal) : await this.own(tool, args, signal);
      const text = boundText(answer.text);
      if (answer.isError) return { kind: 'failed', provider, error: text === '' ? 'It failed.' : text };
      return { kind: 'completed', provider, text, value: answer.value };
    } catch (error) {
      if (error instanceof ServerFailure && error.reason === 'unauthorized')
        return { kind: 'skipped', provider, reason: 'unauthorized' };
      const { message } = OrchestratorError.from(error);
      return { kind: 'failed', provider, error: boundText(message, 4_096) };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.closing ??= Promise.allSettled(
      [...this.connections.values()].map((connection) => connection.close()),
    ).then(() => undefined);
    await this.closing;
  }

  private isNeeded(server: ToolServer): boolean {
    const { mode, providers, tools } = this.constraints;
    const { servers } = this.options;
    if (mode === 'auto') return true;
    return (
      (providers?.some((provider) => mayProvide(server, servers, { provider })) ?? true) &&
      (tools?.some((tool) => mayProvide(server, servers, { tool })) ?? true)
    );
  }

  private admit(found: readonly NamedTool[]): void {
    const { builtIns, toolsAllowed = [] } = this.options;
    const own = builtInTools.filter(({ provider }) => builtIns[provider] !== undefined);
    for (const tool of [...own, ...found]) {
      const reason = exclusionOf(this.constraints, tool, isOnByDefault(tool.provider, toolsAllowed));
      if (reason === undefined) this.callable.set(tool.name, tool);
      else this.refused.set(tool.name, { provider: tool.provider, reason });
    }
  }

  /** What was asked for and is not there; and, in any mode, servers that did not come up. */
  private tellUnavailable(needed: readonly ToolServer[]): void {
    const { mode, providers, tools } = this.constraints;
    for (const { name } of needed) {
      const reason = this.failures.get(name);
      if (reason !== undefined) this._unavailable.push({ provider: name, tool: null, reason });
    }
    if (mode === 'auto') return;
    const there = new Set(this.tools.map(({ provider }) => provider));
    for (const provider of providers ?? []) {
      if (there.has(provider) || this.failures.has(provider)) continue;
      this._unavailable.push({ provider, tool: null, reason: this.absence(provider) });
    }
    for (const tool of tools ?? []) {
      if (this.callable.has(tool)) continue;
      const provider = this.refused.get(tool)?.provider ?? catalogueAction(tool)?.provider ?? '';
      this._unavailable.push({ provider, tool, reason: this.refusalReason(tool) });
    }
  }

  private absence(provider: string): ToolRefusal {
    const hasTools = [...this.refused.values()].some((refused) => refused.provider === provider);
    if (hasTools) return 'tool_filter';
    const isKnown =
      catalogue.some((entry) => entry.provider === provider) ||
      builtInProviders.some((name) => name === provider) ||
      this.options.servers.some(({ name }) => name === provider);
    return isKnown ? 'unconfigured' : 'unknown_tool';
  }

  private refusalOf(name: string): ToolOutcome {
    const reason = this.refusalReason(name);
    const provider = this.refused.get(name)?.provider ?? catalogueAction(name)?.provider ?? null;
    return { kind: 'skipped', provider, reason };
  }

  private refusalReason(name: string): ToolRefusal {
    const refused = this.refused.get(name);
    if (refused !== undefined) return refused.reason;
    const { servers } = this.options;
    const failed = servers.find(
      (server) => this.failures.has(server.name) && mayProvide(server, servers, { tool: name }),
    );
    if (failed !== undefined) return this.failures.get(failed.name) ?? 'unreachable';
    if (catalogueAction(name) !== undefined || builtInTools.some((tool) => tool.name === name))
      return 'unconfigured';
    return 'unknown_tool';
  }

  private ask(
    tool: NamedTool,
    args: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ): Promise<ToolAnswer> {
    const connection = this.connections.get(tool.server);
    // It may have taken the tool back meanwhile; what it has added is not this run's.
    if (connection?.tools.some(({ name }) => name === tool.ownName) !== true)
      throw new ServerFailure('unknown_tool', `${tool.provider} does not have this tool any more.`);
    return connection.call(tool.ownName, args, signal);
  }

  private async own(
    tool: Tool,
    args: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ): Promise<ToolAnswer> {
    if (!isBuiltIn(tool.provider)) throw new ServerFailure('unknown_tool', `There is no ${tool.name}.`);
    return callBuiltIn(this.options.builtIns, tool.name, args, signal);
  }
}

function asFailure(error: unknown): ServerFailure {
  if (error instanceof ServerFailure) return error;
  return new ServerFailure('unreachable', OrchestratorError.from(error).message);
}
