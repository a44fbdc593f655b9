import type {
  OAuthClientInformationContext,
  OAuthClientMetadata,
  OAuthClientProvider,
  OAuthDiscoveryState,
  StoredOAuthClientInformation,
  StoredOAuthTokens,
} from '@modelcontextprotocol/client';
import { randomBytes } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { SecretStore } from '../../core/ports/secretStore.ts';
import type { SignInAnswer, SignInOutcome, SignInReturn, ToolSignIn } from '../../core/ports/toolParts.ts';
import type { HttpToolServer } from '../../core/tools/toolServer.ts';
import { boundedFetch } from './boundedFetch.ts';

export interface SignInOptions {
  readonly secrets: SecretStore;
  readonly clock: Clock;
  /** Of each request to an authorization server, in milliseconds. Default 10 s. */
  readonly requestTimeoutMs?: number | undefined;
}

/** How long a person may take on the authorization server's page. */
const flowLifeMs = 10 * 60_000;
const maxFlows = 100;
/** A token that ends sooner is renewed: a run that is given it goes on for a while. */
const spareMs = 5 * 60_000;
const maxAnswerBytes = 1024 * 1024;

/** What is kept of a server, as one secret. */
interface Kept {
  /** Tokens go to no other address, whatever the configuration says later. */
  readonly serverUrl: string;
  readonly callbackUrl?: string | undefined;
  readonly client?: StoredOAuthClientInformation | undefined;
  readonly tokens?: StoredOAuthTokens | undefined;
  /** Milliseconds since the epoch. */
  readonly savedAt?: number | undefined;
}

interface Flow {
  readonly server: HttpToolServer;
  readonly provider: Grant;
  readonly returnTo: SignInReturn;
  readonly endsAt: number;
}

/** Signing in by OAuth 2.1 with PKCE, after the MCP specification; the protocol itself is the library's. */
export function createToolSignIn({ secrets, clock, requestTimeoutMs = 10_000 }: SignInOptions): ToolSignIn {
  const flows = new Map<string, Flow>();
  const renewals = new Map<string, Promise<string | undefined>>();
  const fetchFn = boundedFetch({ headersTimeoutMs: requestTimeoutMs, maxAnswerBytes });

  const read = async (server: HttpToolServer): Promise<Kept> => {
    const kept = parseKept(await secrets.get(keyOf(server.name)));
    return kept?.serverUrl === server.url ? kept : { serverUrl: server.url };
  };
  const write = (server: HttpToolServer, kept: Kept): Promise<void> =>
    secrets.set(keyOf(server.name), JSON.stringify(kept));

  const renew = async (server: HttpToolServer, kept: Kept): Promise<string | undefined> => {
    const { auth } = await import('./mcpLibrary.ts');
    const grant = new Grant(kept, kept.callbackUrl ?? 'http://127.0.0.1/', '', clock);
    const outcome = await auth(grant, { serverUrl: server.url, fetchFn });
    // It asks for a person where what it had is not good any more.
    if (outcome !== 'AUTHORIZED') return undefined;
    await write(server, grant.kept);
    return grant.kept.tokens?.access_token;
  };

  return {
    async start(server, callbackUrl, returnTo) {
      const { auth } = await import('./mcpLibrary.ts');
      const now = clock.now();
      for (const [state, flow] of flows) if (flow.endsAt <= now) flows.delete(state);
      if (flows.size >= maxFlows) flows.delete(flows.keys().next().value ?? '');
      const state = randomBytes(32).toString('base64url');
      const grant = new Grant(await read(server), callbackUrl, state, clock);
      try {
        await auth(grant, { serverUrl: server.url, fetchFn, forceReauthorization: true });
      } catch (error) {
        throw signInFailed(server, error);
      }
      const { page } = grant;
      if (page === undefined || !isSafePage(page))
        throw signInFailed(server, new Error('its authorization page has an address that cannot be opened'));
      // What it registered as stands for the next time too, whatever becomes of this one.
      await write(server, grant.kept);
      flows.set(state, { server, provider: grant, returnTo, endsAt: now + flowLifeMs });
      return { url: page.href };
    },

    async finish(answer) {
      const flow = flows.get(answer.state);
      // Of somebody who guesses: the one that it is meant for stays open.
      if (flow === undefined || flow.server.name !== answer.server || flow.endsAt <= clock.now())
        return {
          isSignedIn: false,
          problem: 'This sign-in is not known, or over: begin again.',
          returnTo: undefined,
        };
      flows.delete(answer.state);
      const problem = await finishFlow(flow, answer);
      if (problem !== undefined) return { isSignedIn: false, problem, returnTo: flow.returnTo.error };
      await write(flow.server, flow.provider.kept);
      return {
        isSignedIn: true,
        problem: undefined,
        returnTo: flow.returnTo.success,
      } satisfies SignInOutcome;
    },

    async isSignedIn(server) {
      const { tokens, savedAt = 0 } = await read(server);
      if (tokens === undefined) return false;
      return tokens.refresh_token !== undefined || lifeOf(tokens, savedAt, clock.now()) > 0;
    },

    async token(server) {
      const kept = await read(server);
      const { tokens, savedAt = 0 } = kept;
      if (tokens === undefined) return undefined;
      const life = lifeOf(tokens, savedAt, clock.now());
      if (life > spareMs) return tokens.access_token;
      if (tokens.refresh_token === undefined) return life > 0 ? tokens.access_token : undefined;
      const running = renewals.get(server.name) ?? renew(server, kept);
      renewals.set(server.name, running);
      try {
        return await running;
      } catch (error) {
        if (life > 0) return tokens.access_token;
        throw signInFailed(server, error);
      } finally {
        renewals.delete(server.name);
      }
    },

    async signOut(name) {
      const key = keyOf(name);
      const was = parseKept(await secrets.get(key))?.tokens !== undefined;
      for (const [state, flow] of flows) if (flow.server.name === name) flows.delete(state);
      await secrets.delete(key);
      return was;
    },
  };

  async function finishFlow({ server, provider }: Flow, answer: SignInAnswer): Promise<string | undefined> {
    if (answer.error !== undefined) return `${server.displayName} refused: ${answer.error.slice(0, 200)}`;
    if (answer.code === undefined) return `${server.displayName} sent no code.`;
    const { auth } = await import('./mcpLibrary.ts');
    try {
      const { code: authorizationCode, issuer: iss } = answer;
      const outcome = await auth(provider, {
        serverUrl: server.url,
        authorizationCode,
        fetchFn,
        ...(iss === undefined ? {} : { iss }),
      });
      return outcome === 'AUTHORIZED' ? undefined : `${server.displayName} gave no token.`;
    } catch (error) {
      return signInFailed(server, error).message;
    }
  }
}

/** One sign-in, or one renewal, as the library wants to see it. */
class Grant implements OAuthClientProvider {
  readonly redirectUrl: string;
  readonly clientMetadata: OAuthClientMetadata;
  kept: Kept;
  page: URL | undefined;
  private readonly givenState: string;
  private readonly clock: Clock;
  private verifier = '';
  private discovery: OAuthDiscoveryState | undefined;

  constructor(kept: Kept, callbackUrl: string, state: string, clock: Clock) {
    // Registered for another address of ours, it could not come back.
    this.kept = kept.callbackUrl === callbackUrl ? kept : { ...kept, client: undefined, callbackUrl };
    this.redirectUrl = callbackUrl;
    this.givenState = state;
    this.clock = clock;
    this.clientMetadata = {
      client_name: 'Orchestration Workbench',
      redirect_uris: [callbackUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    };
  }

  state(): string {
    return this.givenState;
  }

  clientInformation(context?: OAuthClientInformationContext): StoredOAuthClientInformation | undefined {
    return ofIssuer(this.kept.client, context);
  }

  saveClientInformation(client: StoredOAuthClientInformation): void {
    this.kept = { ...this.kept, client };
  }

  tokens(context?: OAuthClientInformationContext): StoredOAuthTokens | undefined {
    return ofIssuer(this.kept.tokens, context);
  }

  saveTokens(tokens: StoredOAuthTokens): void {
    const refresh = tokens.refresh_token ?? this.kept.tokens?.refresh_token;
    this.kept = {
      ...this.kept,
      tokens: { ...tokens, ...(refresh === undefined ? {} : { refresh_token: refresh }) },
      savedAt: this.clock.now(),
    };
  }

  redirectToAuthorization(page: URL): void {
    this.page = page;
  }

  saveCodeVerifier(verifier: string): void {
    this.verifier = verifier;
  }

  codeVerifier(): string {
    return this.verifier;
  }

  saveDiscoveryState(state: OAuthDiscoveryState): void {
    this.discovery = state;
  }

  discoveryState(): OAuthDiscoveryState | undefined {
    return this.discovery;
  }

  invalidateCredentials(scope: 'all' | 'client' | 'tokens' | 'verifier' | 'discovery'): void {
    if (scope === 'discovery') this.discovery = undefined;
    if (scope === 'client' || scope === 'all') this.kept = { ...this.kept, client: undefined };
    if (scope === 'tokens' || scope === 'all') this.kept = { ...this.kept, tokens: undefined };
  }
}

/** What one authorization server has given is for no other one. */
function ofIssuer<T extends { readonly issuer?: string | undefined }>(
  value: T | undefined,
  context: OAuthClientInformationContext | undefined,
): T | undefined {
  const isOther = context !== undefined && value?.issuer !== undefined && value.issuer !== context.issuer;
  return isOther ? undefined : value;
}

function keyOf(name: string): string {
  return `tools.signIn.${name}`;
}

function parseKept(text: string | undefined): Kept | undefined {
  if (text === undefined) return undefined;
  try {
    const value = JSON.parse(text) as unknown;
    // It is ours: nobody else writes there.
    return typeof value === 'object' && value !== null ? (value as Kept) : undefined;
  } catch {
    return undefined;
  }
}

/** In milliseconds; endless where the server does not say. */
function lifeOf({ expires_in: seconds }: StoredOAuthTokens, savedAt: number, now: number): number {
  return seconds === undefined ? Number.POSITIVE_INFINITY : savedAt + seconds * 1_000 - now;
}

/** It is given to a browser. */
function isSafePage({ protocol, hostname }: URL): boolean {
  if (protocol === 'https:') return true;
  return protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(hostname);
}

function signInFailed({ displayName }: HttpToolServer, cause: unknown): OrchestratorError {
  const { message } = OrchestratorError.from(cause);
  return new OrchestratorError(
    'FAILED_PRECONDITION',
    'sign_in_failed',
    `Signing in to ${displayName} failed: ${message.slice(0, 1_000)}`,
    { cause },
  );
}
