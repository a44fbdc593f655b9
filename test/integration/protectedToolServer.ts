import { serve } from '@hono/node-server';
import { McpServer, WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/server';
import { Hono } from 'hono';
import { createHash, randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';

export interface ProtectedToolServer extends AsyncDisposable {
  readonly url: string;
  readonly origin: string;
  /** Clients that have registered, as they did. */
  readonly registrations: { redirect_uris: string[] }[];
  /** Times that tokens were given: by a code, by a refresh token. */
  readonly grants: string[];
  /** Calls of the tool that got through. */
  calls: number;
  /** Of tokens given from now on, in seconds. */
  lifetime: number;
  /** Forgets all access tokens. */
  expireAll(): void;
}

/**
 * An MCP server behind OAuth 2.1, with its authorization server: discovery, dynamic registration, PKCE, refresh tokens.
 * Its page agrees at once.
 */
export async function startProtectedToolServer(): Promise<ProtectedToolServer> {
  const app = new Hono();
  const clients = new Map<string, { redirect_uris: string[] }>();
  const codes = new Map<string, { challenge: string; redirect: string; client: string }>();
  const refreshTokens = new Set<string>();
  const tokens = new Set<string>();
  const state = {
    registrations: [] as { redirect_uris: string[] }[],
    grants: [] as string[],
    calls: 0,
    lifetime: 3_600,
  };
  let origin = '';

  app.get('/.well-known/oauth-protected-resource/mcp', ({ json }) =>
    json({ resource: `${origin}/mcp`, authorization_servers: [origin], scopes_supported: ['mail'] }),
  );
  app.get('/.well-known/oauth-authorization-server', ({ json }) =>
    json({
      issuer: origin,
      authorization_endpoint: `${origin}/authorize`,
      token_endpoint: `${origin}/token`,
      registration_endpoint: `${origin}/register`,
      response_types_supported: ['code'],
      grant_types_supported: ['authorization_code', 'refresh_token'],
      code_challenge_methods_supported: ['S256'],
      token_endpoint_auth_methods_supported: ['none'],
      authorization_response_iss_parameter_supported: true,
    }),
  );
  app.post('/register', async ({ req, json }) => {
    const metadata = await req.json<{ redirect_uris: string[] }>();
    const client_id = randomUUID();
    clients.set(client_id, metadata);
    state.registrations.push(metadata);
    return json({ ...metadata, client_id }, 201);
  });
  app.get('/authorize', ({ req, redirect, text }) => {
    const query = req.query();
    const known = clients.get(query['client_id'] ?? '');
    const back = query['redirect_uri'] ?? '';
    if (known?.redirect_uris.includes(back) !== true || query['code_challenge_method'] !== 'S256')
      return text('refused', 400);
    const code = randomUUID();
    codes.set(code, {
      challenge: query['code_challenge'] ?? '',
      redirect: back,
      client: query['client_id'] ?? '',
    });
    const target = new URL(back);
    for (const [name, value] of Object.entries({ code, state: query['state'] ?? '', iss: origin }))
      target.searchParams.set(name, value);
    return redirect(target.href);
  });
  app.post('/token', async ({ req, json }) => {
    const form = await req.parseBody();
    const field = (name: string): string => (typeof form[name] === 'string' ? form[name] : '');
    const grant = field('grant_type');
    if (grant === 'authorization_code') {
      const known = codes.get(field('code'));
      codes.delete(field('code'));
      const challenge = createHash('sha256').update(field('code_verifier')).digest('base64url');
      if (
        known?.challenge !== challenge ||
        known.redirect !== field('redirect_uri') ||
        known.client !== field('client_id')
      )
        return json({ error: 'invalid_grant' }, 400);
    } else if (!refreshTokens.delete(field('refresh_token'))) {
      return json({ error: 'invalid_grant' }, 400);
    }
    state.grants.push(grant);
    const access_token = `access-${randomUUID()}`;
    const refresh_token = `refresh-${randomUUID()}`;
    tokens.add(access_token);
    refreshTokens.add(refresh_token);
    return json({
      access_token,
      refresh_token,
      token_type: 'Bearer',
      expires_in: state.lifetime,
      scope: 'mail',
    });
  });
  app.all('/mcp', async ({ req }) => {
    const token = req.header('authorization')?.replace('Bearer ', '') ?? '';
    if (!tokens.has(token)) {
      const metadata = `${origin}/.well-known/oauth-protected-resource/mcp`;
      return new Response('{}', {
        status: 401,
        headers: { 'WWW-Authenticate': `Bearer error="invalid_token", resource_metadata="${metadata}"` },
      });
    }
    const server = new McpServer({ name: 'mail', version: '1' });
    server.registerTool('send_email', { description: 'Send it.' }, () => {
      state.calls += 1;
      return { content: [{ type: 'text', text: 'sent' }] };
    });
    const transport = new WebStandardStreamableHTTPServerTransport({ enableJsonResponse: true });
    await server.connect(transport);
    return transport.handleRequest(req.raw);
  });

  const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' });
  await new Promise((resolve) => server.once('listening', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return Object.assign(state, {
    url: `${origin}/mcp`,
    origin,
    expireAll: () => tokens.clear(),
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      if ('closeAllConnections' in server) server.closeAllConnections();
      await closed;
    },
  });
}
