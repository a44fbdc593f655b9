import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, exportSPKI, SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { nullLogger } from '../../base/logger.ts';
import { type Access, openAccess } from './access.ts';
import type { Caller } from './caller.ts';
import type { Denial } from './denialAudit.ts';
import type { JwtOptions } from './jwt.ts';
import { addNamedToken, namedTokensPath, readNamedTokens, removeNamedToken } from './namedTokens.ts';
import { ensureTokenFile, readTokenFile, replaceTokenFile } from './tokenFile.ts';

let stateDir: string;
const opened: Access[] = [];

beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'ow-access-'));
});
afterEach(() => {
  vi.useRealTimers();
  for (const access of opened.splice(0)) access.dispose();
  rmSync(stateDir, { recursive: true });
});

function open(options: { jwt?: JwtOptions; onDidDeny?: (denials: readonly Denial[]) => void } = {}): Access {
  const failureLimits = { atOnce: 1_000, refillMs: 1_000 };
  const access = openAccess({ stateDir, failureLimits, logger: nullLogger, ...options });
  opened.push(access);
  return access;
}

const from = '127.0.0.1';
const show = (access: Access, token: string | undefined): Promise<Caller> =>
  access.authenticate({ token, remoteAddress: from });
const reasonOf = (access: Access, token: string | undefined): Promise<string> =>
  show(access, token).then(
    ({ name }) => `let in as ${name}`,
    (error: unknown) => (error as Error).message,
  );

describe('tokens', () => {
  it('are known by their name and what they allow', async () => {
    const access = open();
    const main = readTokenFile(access.tokenPath);
    const ci = await addNamedToken(stateDir, { name: 'ci', scope: 'drive' }, Date.now());
    expect(await show(access, main)).toMatchObject({
      name: 'token',
      scopes: new Set(['read', 'drive', 'admin']),
    });
    expect(await show(access, ci)).toMatchObject({ name: 'token:ci', scopes: new Set(['read', 'drive']) });
    expect(await reasonOf(access, undefined)).toBe('credentials_missing');
    expect(await reasonOf(access, '')).toBe('credentials_missing');
    for (const wrong of [
      'x',
      main?.slice(0, -1),
      `${main ?? ''}x`,
      main?.toUpperCase(),
      'a.b.c',
      '\0'.repeat(43),
    ]) {
      expect(await reasonOf(access, wrong)).toBe('api_key_invalid');
    }
    expect(JSON.stringify(readNamedTokens(stateDir))).not.toContain(ci);
  });

  it('end when they are revoked, replaced or over, and who watches is told', async () => {
    vi.useFakeTimers();
    const access = open();
    const now = Date.now();
    const gone: string[] = [];
    const tokens = {
      revoked: await addNamedToken(stateDir, { name: 'revoked', scope: 'read' }, now),
      over: await addNamedToken(stateDir, { name: 'over', scope: 'read', expiresAt: now + 5_000 }, now),
      kept: await addNamedToken(stateDir, { name: 'kept', scope: 'read' }, now),
      replaced: readTokenFile(access.tokenPath),
    };
    const callers = new Map<string, Caller>();
    for (const [name, token] of Object.entries(tokens)) {
      const caller = await show(access, token);
      callers.set(name, caller);
      access.watch(caller, () => gone.push(name));
    }
    const left = access.watch(callers.get('revoked')!, () => gone.push('left before'));
    left.dispose();
    vi.advanceTimersByTime(3_000);
    expect(gone).toEqual([]);
    await removeNamedToken(stateDir, 'revoked');
    replaceTokenFile(access.tokenPath);
    vi.advanceTimersByTime(1_000);
    expect(gone).toEqual(['revoked', 'replaced']);
    vi.advanceTimersByTime(5_000);
    expect(gone).toEqual(['revoked', 'replaced', 'over']);
    expect([...callers].filter(([, caller]) => access.isStillValid(caller)).map(([name]) => name)).toEqual([
      'kept',
    ]);
    for (const name of ['revoked', 'replaced', 'over'] as const) {
      expect(await reasonOf(access, tokens[name])).toBe('api_key_invalid');
    }
    // The same name again is another token.
    await addNamedToken(stateDir, { name: 'revoked', scope: 'read' }, now);
    expect(access.isStillValid(callers.get('revoked')!)).toBe(false);
  });

  it('are not taken from files that others could write or read', async () => {
    const access = open();
    const ci = await addNamedToken(stateDir, { name: 'ci', scope: 'admin' }, Date.now());
    const main = readTokenFile(access.tokenPath);
    chmodSync(namedTokensPath(stateDir), 0o666);
    expect(await reasonOf(access, ci)).toBe('api_key_invalid');
    expect(() => readNamedTokens(stateDir)).toThrow('others could read it');
    expect(await reasonOf(access, main)).toBe('let in as token');
    chmodSync(namedTokensPath(stateDir), 0o600);
    writeFileSync(namedTokensPath(stateDir), '{"tokens":[{}]}');
    expect(() => readNamedTokens(stateDir)).toThrow('not what was written there');
    chmodSync(access.tokenPath, 0o644);
    expect(await reasonOf(access, main)).toBe('api_key_invalid');
    expect(ensureTokenFile(access.tokenPath)).not.toBe(main);
  });

  it('are all written when many are made at once', async () => {
    const names = Array.from({ length: 20 }, (_, index) => `t${index}`);
    await Promise.all(names.map((name) => addNamedToken(stateDir, { name, scope: 'read' }, Date.now())));
    expect(
      readNamedTokens(stateDir)
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual(names.toSorted());
    await expect(addNamedToken(stateDir, { name: 't1', scope: 'read' }, Date.now())).rejects.toThrow(
      'already',
    );
    await expect(addNamedToken(stateDir, { name: 'a b', scope: 'read' }, Date.now())).rejects.toThrow(
      'letters',
    );
    await expect(removeNamedToken(stateDir, 'none')).rejects.toThrow('There is no token "none"');
  });
});

describe('failures', () => {
  it('are limited by address; the right token is let in all the same', async () => {
    vi.useFakeTimers();
    const access = openAccess({ stateDir, logger: nullLogger });
    opened.push(access);
    const main = readTokenFile(access.tokenPath);
    const codes = [];
    for (let index = 0; index < 12; index += 1) {
      codes.push(await show(access, 'wrong').catch((error: unknown) => (error as { code: string }).code));
    }
    expect(codes).toEqual([
      ...Array<string>(10).fill('UNAUTHENTICATED'),
      'RESOURCE_EXHAUSTED',
      'RESOURCE_EXHAUSTED',
    ]);
    expect(await reasonOf(access, main)).toBe('let in as token');
    const elsewhere = access.authenticate({ token: 'wrong', remoteAddress: '10.0.0.1' });
    await expect(elsewhere).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    vi.advanceTimersByTime(6_000);
    await expect(show(access, 'wrong')).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    await expect(show(access, 'wrong')).rejects.toMatchObject({ details: { retryAfterMs: 6_000 } });
  });

  it('are told gathered, ever less often while they go on, and never with a token', async () => {
    vi.useFakeTimers();
    const told: Denial[][] = [];
    const access = open({ onDidDeny: (denials) => told.push([...denials]) });
    for (let second = 0; second < 600; second += 1) {
      for (let index = 0; index < 5; index += 1) await reasonOf(access, 'secret');
      vi.advanceTimersByTime(1_000);
    }
    expect(told.length).toBeLessThan(20);
    expect(told[0]).toEqual([{ remoteAddress: from, reason: 'api_key_invalid', count: 5 }]);
    expect(JSON.stringify(told)).not.toContain('secret');
    for (let index = 0; index < 1_000; index += 1) {
      await access
        .authenticate({ token: 'x', remoteAddress: `10.0.${index >> 8}.${index & 255}` })
        .catch(() => undefined);
    }
    vi.advanceTimersByTime(60_000);
    expect(told.at(-1)?.length).toBeLessThanOrEqual(17);
    const total = told.flat().reduce((sum, { count }) => sum + count, 0);
    expect(total).toBe(4_000);
  });
});

describe('a JWT', () => {
  const secret = 's'.repeat(32);
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const ed = generateKeyPairSync('ed25519');
  const issuer = 'wundr-orchestrator';
  const audience = 'wundr-daemon';
  const soon = (): number => Math.floor(Date.now() / 1_000) + 60;
  const sign = (
    claims: object,
    alg = 'HS256',
    key: KeyObject | Uint8Array = Buffer.from(secret),
  ): Promise<string> =>
    new SignJWT({ sub: 'ann', iss: issuer, aud: audience, exp: soon(), ...claims })
      .setProtectedHeader({ alg })
      .sign(key);

  it('is let in with what it says, and nothing more', async () => {
    const access = open({ jwt: { secret } });
    const scopesOf = async (claims: object): Promise<string> =>
      [...(await show(access, await sign(claims))).scopes].join(' ');
    const exp = soon();
    expect(await show(access, await sign({ exp }))).toEqual({
      name: 'jwt:ann',
      scopes: new Set(['read']),
      expiresAt: (exp + 5) * 1_000,
    });
    expect(await scopesOf({ scope: 'openid drive' })).toBe('read drive');
    expect(await scopesOf({ scopes: ['admin'] })).toBe('read drive admin');
    expect(await scopesOf({ role: 'user' })).toBe('read drive');
    expect(await scopesOf({ role: 'constructor', scope: '__proto__' })).toBe('read');
  });

  it.each<[string, object]>([
    ['jwt_expired', { exp: 1_000 }],
    ['jwt_payload_schema_invalid', { exp: undefined }],
    ['jwt_payload_schema_invalid', { exp: 'never' }],
    ['jwt_payload_schema_invalid', { sub: undefined }],
    ['jwt_payload_schema_invalid', { sub: 7 }],
    ['jwt_payload_schema_invalid', { scope: 7 }],
    ['jwt_payload_schema_invalid', { nbf: 9e9 }],
    ['jwt_issuer_mismatch', { iss: 'somebody' }],
    ['jwt_issuer_mismatch', { iss: undefined }],
    ['jwt_audience_mismatch', { aud: 'somebody' }],
    ['jwt_audience_mismatch', { aud: undefined }],
  ])('is refused as %s: %j', async (reason, claims) => {
    expect(await reasonOf(open({ jwt: { secret } }), await sign(claims))).toBe(reason);
  });

  it('cannot choose how it is checked', async () => {
    const pem = await exportSPKI(rsa.publicKey);
    const both = open({ jwt: { secret, publicKeys: pem } });
    const own = open({ jwt: { publicKeys: pem } });
    expect(await reasonOf(both, await sign({}, 'RS256', rsa.privateKey))).toBe('let in as jwt:ann');
    expect(await reasonOf(both, await sign({}))).toBe('let in as jwt:ann');
    // The public key as a secret, which everybody knows.
    expect(await reasonOf(own, await sign({}, 'HS256', Buffer.from(pem)))).toBe('jwt_algorithm_unsupported');
    expect(await reasonOf(both, await sign({}, 'HS256', Buffer.from(pem)))).toBe('jwt_signature_invalid');
    expect(await reasonOf(both, await sign({}, 'HS512', Buffer.from(secret.repeat(2))))).toBe(
      'jwt_algorithm_unsupported',
    );
    const [, payload] = (await sign({})).split('.');
    const none = Buffer.from('{"alg":"none"}').toString('base64url');
    expect(await reasonOf(both, `${none}.${payload ?? ''}.`)).toBe('jwt_algorithm_unsupported');
    for (const broken of ['a.b.c', '..', '.', `${none}.${none}`, 'e30.e30.e30']) {
      expect(await reasonOf(both, broken)).toMatch(/^jwt_(?:malformed|algorithm_unsupported)$/);
    }
    const token = await sign({});
    const flipped = `${token.slice(0, -2)}${token.at(-2) === 'A' ? 'B' : 'A'}${token.slice(-1)}`;
    expect(await reasonOf(both, flipped)).toBe('jwt_signature_invalid');
  });

  it('is checked with each kind of key, alone and in a set', async () => {
    const set = JSON.stringify({
      keys: [
        { ...(await exportJWK(ec.publicKey)), kid: 'a' },
        { ...(await exportJWK(ed.publicKey)), kid: 'b' },
      ],
    });
    const access = open({ jwt: { publicKeys: set } });
    expect(await reasonOf(access, await sign({}, 'ES256', ec.privateKey))).toBe('let in as jwt:ann');
    expect(await reasonOf(access, await sign({}, 'EdDSA', ed.privateKey))).toBe('let in as jwt:ann');
    const other = generateKeyPairSync('ed25519');
    expect(await reasonOf(access, await sign({}, 'EdDSA', other.privateKey))).toBe('jwt_signature_invalid');
    const alone = open({ jwt: { publicKeys: JSON.stringify(await exportJWK(ed.publicKey)) } });
    expect(await reasonOf(alone, await sign({}, 'EdDSA', ed.privateKey))).toBe('let in as jwt:ann');
  });

  it.each<[string, JwtOptions]>([
    ['needs 32 or more', { secret: 's'.repeat(31) }],
    ['neither PEM nor a JWK', { publicKeys: 'nothing' }],
    ['neither PEM nor a JWK', { publicKeys: '{"kty":"oct","k":"c2VjcmV0"}' }],
    ['is empty', { publicKeys: '{"keys":[]}' }],
  ])('is never let in for want of a check: %s', (words, jwt) => {
    expect(() => open({ jwt })).toThrow(words);
  });
});
