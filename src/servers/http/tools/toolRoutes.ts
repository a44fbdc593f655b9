import * as z from 'zod/mini';
import { invalidRequest } from '../../../core/text.ts';
import type { ToolProvider } from '../../../core/tools/tool.ts';
import type { ToolRegistry } from '../../../core/tools/toolRegistry.ts';
import { type ApiRoute, apiRoute } from '../api/apiRoute.ts';
import type { OriginRules } from '../originRules.ts';
import { callbackUrlOf, checkedReturn } from './returnAddress.ts';

export const toolBase = '/api/mcp/auth';

const actionDoc = z.object({ name: z.string(), doc: z.string() });
const summary = z.object({
  provider: z.string(),
  display_name: z.string(),
  authorized: z.boolean(),
  auth_config_present: z.boolean(),
  actions: z.array(z.string()),
});
const liveStatus = z.object({
  provider: z.string(),
  authorized: z.boolean(),
  auth_config_present: z.boolean(),
  actions: z.array(z.string()),
  /** Why it is not. */
  detail: z.nullable(z.string()),
});
const address = z.optional(z.string().check(z.maxLength(2_000)));

/** Providers, their tools and signing in to them: contract 004, section 5. */
export function toolRoutes(registry: ToolRegistry, rules: OriginRules): ApiRoute[] {
  return [
    apiRoute({
      base: toolBase,
      method: 'GET',
      path: '/providers',
      scope: 'read',
      summary: 'Who has tools, and whether they can be called',
      answer: z.object({ providers: z.array(summary) }),
      handle: async () => ({ providers: (await registry.load()).map(summaryOf) }),
    }),
    apiRoute({
      base: toolBase,
      method: 'GET',
      path: '/tools/available',
      scope: 'read',
      summary: 'The tools of all providers, or of one',
      query: z.object({ provider: z.optional(z.string().check(z.maxLength(128))) }),
      answer: z.object({
        providers: z.array(
          z.object({ provider: z.string(), authorized: z.boolean(), actions: z.array(actionDoc) }),
        ),
      }),
      errors: [404],
      async handle({ query: { provider } }) {
        const wanted = provider === undefined ? await registry.load() : [await registry.provider(provider)];
        return { providers: wanted.map(availableOf) };
      },
    }),
    apiRoute({
      base: toolBase,
      method: 'GET',
      path: '/status',
      scope: 'read',
      summary: 'Whether each provider can be called',
      answer: z.record(z.string(), z.boolean()),
      handle: async () =>
        Object.fromEntries(
          (await registry.load()).map(({ provider, isAuthorized }) => [provider, isAuthorized]),
        ),
    }),
    apiRoute({
      base: toolBase,
      method: 'GET',
      path: '/{provider}/start',
      scope: 'drive',
      summary:
        'Begin signing in: the page to open. It comes back to this server, and from here to one of the addresses',
      query: z.object({ redirect_success: address, redirect_error: address }),
      answer: z.object({ authorization_url: z.string() }),
      errors: [404, 409],
      async handle({ params, query, exchange: { incoming } }) {
        const returnTo = {
          success: checkedReturn(query.redirect_success, 'redirect_success', incoming, rules),
          error: checkedReturn(query.redirect_error, 'redirect_error', incoming, rules),
        };
        const callbackUrl = (server: string): string => callbackUrlOf(incoming, toolBase, server);
        const { url } = await registry.startSignIn(params['provider'] ?? '', callbackUrl, returnTo);
        return { authorization_url: url };
      },
    }),
    apiRoute({
      base: toolBase,
      method: 'POST',
      path: '/{provider}/finalize',
      scope: 'drive',
      summary:
        "After signing in: the provider's tools, asked for anew; with state and code it ends the sign-in itself",
      body: z.optional(
        z.object({
          state: z.optional(z.string().check(z.maxLength(200))),
          code: z.optional(z.string().check(z.maxLength(4_096))),
          iss: address,
        }),
      ),
      answer: summary,
      errors: [404, 409],
      async handle({ params, body }) {
        const provider = params['provider'] ?? '';
        if (body?.state !== undefined || body?.code !== undefined) {
          const { state = '', code, iss: issuer } = body;
          const server = await registry.signInName(provider);
          const answer = { server, state, code, issuer, error: undefined };
          const { isSignedIn, problem } = await registry.finishSignIn(answer);
          if (!isSignedIn) throw invalidRequest(problem ?? 'It failed.');
        }
        return summaryOf(await registry.renewed(provider));
      },
    }),
    apiRoute({
      base: toolBase,
      method: 'GET',
      path: '/{provider}/status/live',
      scope: 'read',
      summary: 'Whether a provider can be called, by asking it now',
      answer: liveStatus,
      errors: [404],
      async handle({ params }) {
        const known = await registry.renewed(params['provider'] ?? '');
        const { provider, authorized, auth_config_present, actions } = summaryOf(known);
        return { provider, authorized, auth_config_present, actions, detail: known.problem ?? null };
      },
    }),
    apiRoute({
      base: toolBase,
      method: 'DELETE',
      path: '/{provider}',
      scope: 'drive',
      summary: 'Sign out: tokens are forgotten here',
      answer: z.object({
        status: z.literal('disconnected'),
        provider: z.string(),
        was_connected: z.boolean(),
      }),
      errors: [404],
      async handle({ params }) {
        const provider = params['provider'] ?? '';
        return { status: 'disconnected', provider, was_connected: await registry.signOut(provider) };
      },
    }),
  ];
}

function summaryOf({
  provider,
  displayName,
  isAuthorized,
  isConfigured,
  tools,
}: ToolProvider): z.infer<typeof summary> {
  return {
    provider,
    display_name: displayName,
    authorized: isAuthorized,
    auth_config_present: isConfigured,
    actions: tools.map(({ name }) => name),
  };
}

function availableOf({ provider, isAuthorized, tools }: ToolProvider): {
  provider: string;
  authorized: boolean;
  actions: z.infer<typeof actionDoc>[];
} {
  const actions = tools.map(({ name, description }) => ({ name, doc: description }));
  return { provider, authorized: isAuthorized, actions };
}
