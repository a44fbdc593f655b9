import type { Clock } from '../../base/clock.ts';
import { type Disposable, DisposableStore } from '../../base/disposable.ts';
import { Emitter } from '../../base/emitter.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type {
  ConfiguredServers,
  ServerProbe,
  SignInOutcome,
  SignInReturn,
  ToolParts,
} from '../ports/toolParts.ts';
import { invalidRequest } from '../text.ts';
import { builtInNames, builtInProviders, builtInTools } from './builtInTools.ts';
import { catalogue } from './catalogue.ts';
import type { Tool, ToolProvider } from './tool.ts';
import { joinTools, type NamedTool, nameTools, ownerOf } from './toolNames.ts';
import type { HttpToolServer, ToolSecrets, ToolServer } from './toolServer.ts';

/** How long a server's list is believed, in milliseconds; and how long it is left alone once it did not come up. */
const listLifeMs = 10 * 60_000;
const failureLifeMs = 30_000;

const noServers: ConfiguredServers = { servers: [], problems: [] };

interface Probed {
  readonly at: number;
  /** What was asked: another configuration or another token is another server. */
  readonly identity: string;
  readonly probe: ServerProbe;
}

/** What a run needs to open its tools. The secrets go to it by its environment, never by what is written down. */
export interface RunTools {
  readonly servers: readonly ToolServer[];
  readonly secrets: ToolSecrets;
}

/**
 * Who has which tools: the orchestrator itself, the configured MCP servers, and the catalogue's providers, bound to
 * whichever server has their tools. It asks servers when somebody wants to know, and keeps none running.
 */
export class ToolRegistry implements Disposable {
  private readonly parts: ToolParts | undefined;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly disposables = new DisposableStore();
  private readonly changed = this.disposables.add(new Emitter<void>());
  private readonly probes = new Map<string, Probed>();
  private readonly ending = new AbortController();
  private configured = noServers;
  private loading: Promise<void> | undefined;

  /** Providers or their tools are others than before. */
  readonly onDidChange = this.changed.event;

  /** @param parts without them there are only the built-in tools, and the catalogue that nobody provides. */
  constructor(parts: ToolParts | undefined, clock: Clock, logger: Logger) {
    this.parts = parts;
    this.clock = clock;
    this.logger = logger;
    if (parts !== undefined) this.disposables.add(parts.servers.onDidChange(() => this.changed.fire()));
  }

  /** All providers, the servers asked where what is known of them is old. Takes at most the limit of connecting. */
  async load(): Promise<readonly ToolProvider[]> {
    this.loading ??= this.refresh().finally(() => {
      this.loading = undefined;
    });
    await this.loading;
    return this.providers();
  }

  /** As far as they are known now, without asking anybody. */
  providers(): readonly ToolProvider[] {
    const { servers } = this.configured;
    const named = this.namedTools();
    const names = new Set([
      ...builtInProviders,
      ...catalogue.map(({ provider }) => provider),
      ...servers.map(({ name }) => name),
    ]);
    return [...names].map((name) => this.providerOf(name, named));
  }

  /** Error: `tool_not_found`. */
  async provider(name: string): Promise<ToolProvider> {
    const found = (await this.load()).find(({ provider }) => provider === name.trim().toLowerCase());
    if (found !== undefined) return found;
    throw new OrchestratorError('NOT_FOUND', 'tool_not_found', `There is no tool provider "${name}".`);
  }

  /** What is wrong with the configuration, for a person. */
  get problems(): ConfiguredServers['problems'] {
    return this.configured.problems;
  }

  /** Every tool that can be called now, by name; those of the catalogue that nobody provides are not among them. */
  async tools(): Promise<readonly Tool[]> {
    await this.load();
    return [...builtInTools, ...this.namedTools()];
  }

  /** Forgets what is known of a server, so that it is asked again. */
  forget(name: string): void {
    this.probes.delete(name);
  }

  /** The servers as they are configured now, with tokens that are good for some minutes. */
  async forRun(): Promise<RunTools> {
    if (this.parts === undefined) return { servers: [], secrets: {} };
    const { servers, signIn } = this.parts;
    const configured = await servers.read();
    this.configured = configured;
    const known = await servers.secrets(configured.servers);
    const signed = await Promise.all(
      configured.servers.map(async (server) => {
        const own = known[server.name] ?? {};
        if (server.kind === 'stdio' || !canSignIn(server)) return { server, own };
        const token = await this.tokenOf(server, signIn);
        if (token === undefined) return { server, own };
        const { secretHeaders } = server;
        return {
          server: { ...server, secretHeaders: [...secretHeaders, 'Authorization'] },
          own: { ...own, Authorization: `Bearer ${token}` },
        };
      }),
    );
    return {
      servers: signed.map(({ server }) => server),
      secrets: Object.fromEntries(signed.map(({ server, own }) => [server.name, own])),
    };
  }

  /** Errors: `tool_not_found`; `invalid_request` for a provider that is not signed in to; those of `ToolSignIn.start`. */
  async startSignIn(
    provider: string,
    callbackUrl: (server: string) => string,
    returnTo: SignInReturn,
  ): Promise<{ readonly url: string }> {
    const server = await this.signInServer(provider);
    return this.needed().signIn.start(server, callbackUrl(server.name), returnTo);
  }

  /** The name of the server that one signs in to for a provider. Errors: as those of `startSignIn`. */
  async signInName(provider: string): Promise<string> {
    return (await this.signInServer(provider)).name;
  }

  /** The provider as it is now: its servers are asked. Error: `tool_not_found`. */
  async renewed(name: string): Promise<ToolProvider> {
    const { provider } = await this.provider(name);
    const entry = catalogue.find((candidate) => candidate.provider === provider);
    const { servers } = this.configured;
    this.forget(provider);
    for (const action of entry?.actions ?? []) this.forget(ownerOf(action.name, servers)?.name ?? '');
    return this.provider(provider);
  }

  async finishSignIn(answer: Parameters<ToolParts['signIn']['finish']>[0]): Promise<SignInOutcome> {
    const outcome = await this.needed().signIn.finish(answer);
    if (outcome.isSignedIn) {
      this.forget(answer.server);
      this.changed.fire();
    }
    return outcome;
  }

  /** @returns whether there was a sign-in. Errors: as those of `startSignIn`. */
  async signOut(provider: string): Promise<boolean> {
    const { name } = await this.signInServer(provider);
    const was = await this.needed().signIn.signOut(name);
    this.forget(name);
    this.changed.fire();
    return was;
  }

  dispose(): void {
    this.ending.abort();
    this.disposables.dispose();
  }

  private async refresh(): Promise<void> {
    const { parts } = this;
    if (parts === undefined) return;
    const { servers, secrets } = await this.forRun();
    const before = JSON.stringify(this.providers());
    for (const name of this.probes.keys()) {
      if (!servers.some((server) => server.name === name)) this.probes.delete(name);
    }
    await Promise.all(
      servers.map(async (server) => {
        const own = secrets[server.name] ?? {};
        const identity = JSON.stringify([server, own]);
        if (this.isFresh(server.name, identity)) return;
        const probe = await parts.connector.probe(server, own, this.ending.signal);
        this.probes.set(server.name, { at: this.clock.now(), identity, probe });
      }),
    );
    if (before !== JSON.stringify(this.providers())) this.changed.fire();
  }

  private isFresh(name: string, identity: string): boolean {
    const known = this.probes.get(name);
    if (known?.identity !== identity) return false;
    const life = known.probe.kind === 'ready' ? listLifeMs : failureLifeMs;
    return this.clock.now() - known.at < life;
  }

  private namedTools(): NamedTool[] {
    const { servers } = this.configured;
    return joinTools(
      servers.map((server) => {
        const probe = this.probes.get(server.name)?.probe;
        return probe?.kind === 'ready' ? nameTools(server, probe.tools, servers) : [];
      }),
    );
  }

  private providerOf(name: string, named: readonly NamedTool[]): ToolProvider {
    const builtIn = builtInProviders.find((provider) => provider === name);
    if (builtIn !== undefined)
      return {
        provider: builtIn,
        displayName: builtInNames[builtIn],
        isAuthorized: true,
        isConfigured: true,
        tools: builtInTools.filter(({ provider }) => provider === builtIn),
      };
    const { servers } = this.configured;
    const entry = catalogue.find(({ provider }) => provider === name);
    const tools = named.filter(({ provider }) => provider === name);
    const server =
      servers.find((candidate) => candidate.name === name) ??
      entry?.actions.map((action) => ownerOf(action.name, servers)).find((owner) => owner !== undefined);
    const probe = server === undefined ? undefined : this.probes.get(server.name)?.probe;
    const isAuthorized = tools.length > 0 || (probe?.kind === 'ready' && entry === undefined);
    const problem =
      probe?.problem ??
      (server === undefined && !isAuthorized
        ? 'No configured server provides it: add one to the tool servers.'
        : undefined);
    return {
      provider: name,
      displayName: entry?.displayName ?? server?.displayName ?? name,
      isAuthorized,
      isConfigured: server !== undefined || isAuthorized,
      tools: isAuthorized ? tools.map(asTool) : (entry?.actions.map(asTool) ?? []),
      problem,
    };
  }

  private async signInServer(provider: string): Promise<HttpToolServer> {
    const name = provider.trim().toLowerCase();
    const { servers } = await this.needed().servers.read();
    const entry = catalogue.find((candidate) => candidate.provider === name);
    const server =
      servers.find((candidate) => candidate.name === name) ??
      entry?.actions.map((action) => ownerOf(action.name, servers)).find((owner) => owner !== undefined);
    if (server === undefined)
      throw new OrchestratorError(
        'NOT_FOUND',
        'tool_not_found',
        entry === undefined
          ? `There is no tool provider "${provider}".`
          : `${entry.displayName} is not configured: add a server that provides it to the tool servers.`,
      );
    if (server.kind === 'http' && canSignIn(server)) return server;
    throw invalidRequest(
      `${server.displayName} is not signed in to: ${server.kind === 'stdio' ? 'it is a program on this machine' : 'its authorization is configured'}.`,
    );
  }

  private async tokenOf(server: HttpToolServer, signIn: ToolParts['signIn']): Promise<string | undefined> {
    try {
      return await signIn.token(server);
    } catch (error) {
      this.logger.warn(`The sign-in to ${server.name} could not be renewed`, error);
      return undefined;
    }
  }

  private needed(): ToolParts {
    if (this.parts !== undefined) return this.parts;
    throw new OrchestratorError('NOT_FOUND', 'tool_not_found', 'There are no tool servers here.');
  }
}

/** A server whose authorization is not configured may want to be signed in to. */
function canSignIn({ headers, secretHeaders }: HttpToolServer): boolean {
  const names = [...Object.keys(headers), ...secretHeaders];
  return !names.some((name) => name.toLowerCase() === 'authorization');
}

function asTool({ name, provider, description, inputSchema }: Tool): Tool {
  return { name, provider, description, inputSchema };
}
