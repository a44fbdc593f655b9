import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { serversOfFile } from '../../src/adapters/mcp/serverFile.ts';
import { createSecretFile } from '../../src/adapters/system/secretFile.ts';
import { createToolParts } from '../../src/adapters/toolParts.ts';
import { systemClock } from '../../src/base/clock.ts';
import { nullLogger } from '../../src/base/logger.ts';
import { ToolRegistry } from '../../src/core/tools/toolRegistry.ts';
import { newToken } from '../../src/servers/access/tokenFile.ts';
import { addNamedToken } from '../../src/servers/access/namedTokens.ts';
import { startHttpServer } from '../../src/servers/http/httpServer.ts';
import { tempDir } from '../harness/tempDir.ts';
import { startProtectedToolServer } from './protectedToolServer.ts';
import { countingServer, never, openTools } from './toolHarness.ts';

interface Door extends AsyncDisposable {
  readonly folder: string;
  readonly url: string;
  readonly registry: ToolRegistry;
  ask(
    method: string,
    path: string,
    options?: { token?: string; body?: unknown },
  ): Promise<{ status: number; json: Record<string, unknown> }>;
}

/** The HTTP door over the registry of a core, with the servers of a file. */
async function openDoor(servers: Record<string, unknown>): Promise<Door> {
  const folder = await tempDir('tools');
  const path = join(folder.path, 'tools.json');
  writeFileSync(path, `// what the user wrote\n${JSON.stringify({ servers })}`);
  const parts = createToolParts({
    servers: serversOfFile(path, { isNeeded: true }),
    secrets: createSecretFile(join(folder.path, 'tool-secrets.json')),
    cwd: () => folder.path,
    clock: systemClock,
    logger: nullLogger,
  });
  const registry = new ToolRegistry(parts, systemClock, nullLogger);
  const door = await startHttpServer({
    stateDir: folder.path,
    port: 0,
    tasks: undefined,
    tools: registry,
    allowedOrigins: ['http://localhost:3000'],
    logger: nullLogger,
  });
  const own = readFileSync(door.tokenPath, 'utf8').trim();
  return {
    folder: folder.path,
    url: door.url,
    registry,
    async ask(method, route, { token = own, body } = {}) {
      const response = await fetch(`${door.url}/api/mcp/auth${route}`, {
        method,
        headers: {
          Authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: response.status, json: (await response.json()) as Record<string, unknown> };
    },
    async [Symbol.asyncDispose]() {
      await door.stop();
      registry.dispose();
      parts.servers.dispose();
      await folder[Symbol.asyncDispose]();
    },
  };
}

const config = ({ command, args, aliases }: ReturnType<typeof countingServer>): Record<string, unknown> => ({
  command,
  args,
  aliases,
});

describe('the routes of tools', () => {
  test('tell the catalogue where nothing is configured, and the built-in tools', async () => {
    await using door = await openDoor({});
    const { status, json } = await door.ask('GET', '/providers');
    expect(status).toBe(200);
    expect(json['providers']).toEqual(
      expect.arrayContaining([
        {
          provider: 'slack',
          display_name: 'Slack',
          authorized: false,
          auth_config_present: false,
          actions: ['slack_post_message', 'slack_search_messages'],
        },
        expect.objectContaining({ provider: 'files', authorized: true }),
      ]),
    );
    const gmail = await door.ask('GET', '/tools/available?provider=Gmail');
    expect(gmail.json).toEqual({
      providers: [
        {
          provider: 'gmail',
          authorized: false,
          actions: [
            { name: 'gmail_send_email', doc: 'Send an e-mail.' },
            { name: 'gmail_search', doc: 'Search the mailbox.' },
          ],
        },
      ],
    });
    expect(await door.ask('GET', '/tools/available?provider=none')).toEqual({
      status: 404,
      json: { detail: 'There is no tool provider "none".' },
    });
    expect(await door.ask('GET', '/gmail/start')).toMatchObject({ status: 404 });
  });

  test('tell what servers have, bound to the catalogue, and who does not answer', async () => {
    await using folder = await tempDir('count');
    const journal = join(folder.path, 'calls');
    await using door = await openDoor({
      Workspace: config(
        countingServer('x', journal, ['out', 'other'], { aliases: { out: 'gmail_send_email' } }),
      ),
      broken: { command: '/no/such/program' },
      wrong: {},
    });
    const { json } = await door.ask('GET', '/status');
    expect(json).toEqual({
      files: true,
      terminal: true,
      container: true,
      slack: false,
      gmail: true,
      workspace: true,
      broken: false,
    });
    const gmail = await door.ask('GET', '/tools/available?provider=gmail');
    expect(gmail.json).toMatchObject({
      providers: [{ authorized: true, actions: [{ name: 'gmail_send_email' }] }],
    });
    const broken = await door.ask('GET', '/broken/status/live');
    expect(broken.json).toMatchObject({
      authorized: false,
      detail: expect.stringContaining('/no/such/program could not be started') as string,
    });
    expect(door.registry.problems).toEqual([
      { name: 'wrong', problem: 'it has neither a command nor a url' },
    ]);
  });

  test('want a token with the right scope', async () => {
    await using door = await openDoor({ remote: { url: 'http://127.0.0.1:1/mcp' } });
    const token = await addNamedToken(door.folder, { name: 'looker', scope: 'read' }, Date.now());
    expect((await door.ask('GET', '/providers', { token: newToken() })).status).toBe(401);
    expect((await door.ask('GET', '/providers', { token })).status).toBe(200);
    for (const [method, path] of [
      ['GET', '/remote/start'],
      ['POST', '/remote/finalize'],
      ['DELETE', '/remote'],
    ] as const) {
      const { status, json } = await door.ask(method, path, { token });
      expect(status).toBe(403);
      expect(json['detail']).toContain('"drive"');
    }
  });
});

describe('signing in to a server that wants it', () => {
  test('goes the whole way by HTTP, is used, renewed, and ended', async () => {
    await using server = await startProtectedToolServer();
    server.lifetime = 60;
    await using door = await openDoor({
      mail: { url: server.url, aliases: { send_email: 'gmail_send_email' } },
    });
    expect((await door.ask('GET', '/status')).json).toMatchObject({ mail: false, gmail: false });

    // Begun for the provider of the catalogue that the server stands for.
    const success = 'http://localhost:3000/done?x=1';
    const start = await door.ask('GET', `/gmail/start?redirect_success=${encodeURIComponent(success)}`);
    expect(start.status).toBe(200);
    const page = new URL(start.json['authorization_url'] as string);
    expect(page.origin).toBe(server.origin);
    expect(page.searchParams.get('code_challenge_method')).toBe('S256');
    expect(page.searchParams.get('resource')).toBe(server.url);
    expect(server.registrations).toMatchObject([
      { redirect_uris: [`${door.url}/api/mcp/auth/mail/callback`] },
    ]);

    // The browser: the page, back to us, and from there to the page that began it.
    const agreed = await fetch(page, { redirect: 'manual' });
    const callback = agreed.headers.get('location') ?? '';
    const browser = {
      redirect: 'manual',
      headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' },
    } as const;
    const forged = new URL(callback);
    forged.searchParams.set('state', newToken());
    expect((await fetch(forged, browser)).status).toBe(400);
    const back = await fetch(callback, browser);
    expect(back.status).toBe(303);
    expect(back.headers.get('location')).toBe('http://localhost:3000/done?x=1&provider=mail');
    expect(back.headers.get('referrer-policy')).toBe('no-referrer');
    // Once only.
    expect((await fetch(callback, browser)).status).toBe(400);

    expect((await door.ask('POST', '/gmail/finalize')).json).toEqual({
      provider: 'gmail',
      display_name: 'Gmail',
      authorized: true,
      auth_config_present: true,
      actions: ['gmail_send_email'],
    });

    // What a run is given: the token only among the secrets. It is about to end, so it was renewed.
    const run = await door.registry.forRun();
    expect(server.grants).toContain('refresh_token');
    expect(JSON.stringify(run.servers)).not.toContain('access-');
    await using set = await openTools(run);
    const call = { name: 'gmail_send_email', arguments: {} };
    expect(await set.call(call, never)).toMatchObject({ kind: 'completed', text: 'sent' });
    expect(server.calls).toBe(1);
    server.expireAll();
    expect(await set.call(call, never)).toEqual({
      kind: 'skipped',
      provider: 'gmail',
      reason: 'unauthorized',
    });

    const file = join(door.folder, 'tool-secrets.json');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, 'utf8')).toContain('refresh-');
    expect((await door.ask('DELETE', '/mail')).json).toEqual({
      status: 'disconnected',
      provider: 'mail',
      was_connected: true,
    });
    expect(readFileSync(file, 'utf8')).not.toContain('refresh-');
    expect((await door.ask('GET', '/mail/status/live')).json).toMatchObject({ authorized: false });
  });

  test('sends nobody to a place that is not allowed', async () => {
    await using server = await startProtectedToolServer();
    await using door = await openDoor({ mail: { url: server.url } });
    for (const address of [
      'https://evil.example/',
      '//evil.example/',
      'javascript:alert(1)',
      'http://localhost:3000@evil.example/',
      'http://localhost:30001/',
      '\\\\evil.example/',
      'data:text/html,hi',
    ]) {
      for (const field of ['redirect_success', 'redirect_error']) {
        const { status, json } = await door.ask('GET', `/mail/start?${field}=${encodeURIComponent(address)}`);
        expect([address, status]).toEqual([address, 400]);
        expect(json['detail']).toContain(field);
      }
    }
    expect(server.registrations).toEqual([]);
    expect((await door.ask('GET', '/mail/start?redirect_success=/close')).status).toBe(200);
  });

  test('says so where it fails, and ends where its state is no more', async () => {
    await using server = await startProtectedToolServer();
    await using door = await openDoor({ mail: { url: server.url }, dead: { url: 'http://127.0.0.1:1/mcp' } });
    const dead = await door.ask('GET', '/dead/start');
    expect(dead.status).toBe(409);
    expect(dead.json['detail']).toContain('Signing in to dead failed');
    const { json } = await door.ask('GET', '/mail/start');
    const state = new URL(json['authorization_url'] as string).searchParams.get('state') ?? '';
    const refused = await fetch(`${door.url}/api/mcp/auth/mail/callback?error=access_denied&state=${state}`);
    expect(refused.status).toBe(400);
    expect(await refused.text()).toContain('mail refused: access_denied');
    const again = await door.ask('POST', '/mail/finalize', { body: { state, code: 'x' } });
    expect(again).toMatchObject({
      status: 400,
      json: { detail: expect.stringContaining('begin again') as string },
    });
    expect(existsSync(join(door.folder, 'tool-secrets.json'))).toBe(true);
    expect(
      (
        await fetch(`${door.url}/api/mcp/auth/mail/callback?state=${state}`, {
          headers: { Host: 'evil.example' },
        })
      ).status,
    ).toBeGreaterThanOrEqual(400);
  });
});
