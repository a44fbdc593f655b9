// What somebody without a right token, or with the right one in the wrong place, may send to the daemon's port.
import { createHmac, generateKeyPairSync } from 'node:crypto';

export interface Secrets {
  /** The right token, which a few attacks hold and still must not get through with. */
  readonly token: string;
  readonly jwtSecret: string;
  /** PEM. */
  readonly publicKey: string;
}

export interface Attack {
  readonly name: string;
  /** The bytes of a connection. */
  readonly bytes: (index: number) => string;
  /** Answered 200 all the same, since nothing of it is believed. */
  readonly isHarmless?: true;
}

type Headers = Readonly<Record<string, string>>;

const target = '/api/daemon/sessions';
const body = '{"task":"touch /tmp/attacked","sessionType":"shell"}';

/** A request that would start something, if only it were let in. */
function post(
  headers: Headers,
  { path = target, method = 'POST', content = body, host = 'localhost' } = {},
): string {
  const all: Headers = {
    Host: host,
    Connection: 'close',
    'Content-Type': 'application/json',
    // They go out as Latin-1.
    'Content-Length': String(content.length),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${content}`;
}

function get(headers: Headers, path = target, host = 'localhost'): string {
  const lines = Object.entries({ Host: host, Connection: 'close', ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  return `GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

const bearer = (token: string): Headers => ({ Authorization: `Bearer ${token}` });

function jwt(claims: object, key: string, header: object = { alg: 'HS256' }): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1_000);
  const all = {
    sub: 'x',
    iss: 'wundr-orchestrator',
    aud: 'wundr-daemon',
    exp: now + 60,
    scope: 'admin',
    ...claims,
  };
  const signed = `${part(header)}.${part(all)}`;
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
}

/** One of the list, in turn. */
const among =
  <T>(...choices: readonly [T, ...T[]]) =>
  (index: number): T =>
    choices[index % choices.length] ?? choices[0];

export function attacks({ token, jwtSecret, publicKey }: Secrets): readonly Attack[] {
  const own = bearer(token);
  const stranger = generateKeyPairSync('ed25519');
  const strangerKey = stranger.publicKey.export({ format: 'jwk' });
  const flipped = (index: number): string => {
    const at = index % token.length;
    return token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1);
  };
  const upgrade: Headers = {
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
  };
  const webPages = among(
    'null',
    'file://',
    'http://localhost:3001',
    'https://localhost:3000',
    'http://127.0.0.1',
  );
  const lookAlikes = among(
    'http://localhost:3000.evil.example',
    'http://localhost:30000',
    'http://localhost:3000@evil.example',
    'http://evil.example/http://localhost:3000',
    'http://xlocalhost:3000',
    'http://localhost:3000, http://evil.example',
  );
  const strangeHosts = among(
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.nip.io',
    '0.0.0.0',
    '2130706433',
    '0x7f000001',
    '127.1',
    '[::ffff:127.0.0.1]',
    '[::]',
    'localhost@evil.example',
    'localhost.',
    'localhost:80:80',
    'localhost evil.example',
  );
  return [
    { name: 'no token', bytes: () => post({}) },
    { name: 'an empty token', bytes: among(post({ Authorization: 'Bearer ' }), post({ 'X-API-Key': '' })) },
    { name: 'a wrong token', bytes: (index) => post(bearer(String(index).padStart(43, 'x'))) },
    { name: 'a token with one character changed', bytes: (index) => post(bearer(flipped(index))) },
    { name: 'a part of the token', bytes: (index) => post(bearer(token.slice(0, index % token.length))) },
    {
      name: 'more than the token',
      bytes: among(post(bearer(`${token}x`)), post(bearer(`${token},${token}`)), post(bearer(`${token} x`))),
    },
    {
      name: "another installation's token",
      bytes: () => post({ 'X-API-Key': 'Zm9yZWlnbi1pbnN0YWxsYXRpb24tdG9rZW4tMTIzNDU' }),
    },
    {
      name: 'the token in the URL',
      bytes: among(
        post({}, { path: `${target}?token=${token}` }),
        post({}, { path: `${target}?apiKey=${token}` }),
      ),
    },
    {
      name: 'the token in a cookie',
      bytes: () => post({ Cookie: `token=${token}; Authorization=Bearer ${token}` }),
    },
    {
      name: 'the token in the body',
      bytes: () => post({}, { content: JSON.stringify({ token, auth: { token }, task: 'x' }) }),
    },
    {
      name: 'the token by another scheme',
      bytes: among(
        post({ Authorization: `Basic ${token}` }),
        post({ Authorization: token }),
        post({ 'Proxy-Authorization': `Bearer ${token}` }),
      ),
    },
    {
      name: 'a wrong token before the right one',
      bytes: () => post({ Authorization: 'Bearer wrong', authorization: `Bearer ${token}` }),
    },
    { name: 'an expired JWT', bytes: () => post(bearer(jwt({ exp: 1_000 }, jwtSecret))) },
    { name: 'a JWT without an end', bytes: () => post(bearer(jwt({ exp: undefined }, jwtSecret))) },
    {
      name: 'a JWT of alg none',
      bytes: among(
        post(bearer(`${jwt({}, '', { alg: 'none' }).split('.').slice(0, 2).join('.')}.`)),
        post(bearer(jwt({}, '', { alg: 'nOnE' }))),
      ),
    },
    { name: 'a JWT with the public key as secret', bytes: () => post(bearer(jwt({}, publicKey))) },
    {
      name: 'a JWT that brings its own key',
      bytes: () =>
        post(
          bearer(
            jwt({}, 'x', {
              alg: 'EdDSA',
              jwk: strangerKey,
              jku: 'http://evil.example',
              kid: '../../dev/null',
            }),
          ),
        ),
    },
    {
      name: 'a JWT for somebody else',
      bytes: among(
        post(bearer(jwt({ aud: 'other' }, jwtSecret))),
        post(bearer(jwt({ iss: 'other' }, jwtSecret))),
      ),
    },
    { name: 'a foreign page with the token', bytes: (index) => post({ ...own, Origin: webPages(index) }) },
    {
      name: 'a page of a name like an allowed one',
      bytes: (index) => post({ ...own, Origin: lookAlikes(index) }),
    },
    {
      name: "another extension's webview",
      bytes: (index) => post({ ...own, Origin: `vscode-webview://${index}` }),
    },
    {
      name: 'a name that was made to point here',
      bytes: (index) => post(own, { host: strangeHosts(index) }),
    },
    { name: 'two hosts', bytes: () => post({ ...own, host: 'evil.example' }) },
    {
      name: 'a form of a web page',
      bytes: (index) =>
        post({
          ...own,
          'Content-Type': among(
            'text/plain',
            'application/x-www-form-urlencoded',
            'multipart/form-data; boundary=x',
            'text/plain; application/json',
          )(index),
        }),
    },
    {
      name: 'an image or a script of a page',
      bytes: among(
        get({ ...own, 'Sec-Fetch-Site': 'cross-site' }),
        get({ ...own, 'Sec-Fetch-Site': 'same-site' }),
      ),
    },
    {
      name: "a page's preflight",
      bytes: () =>
        post(
          { Origin: 'http://evil.example', 'Access-Control-Request-Method': 'POST' },
          { method: 'OPTIONS' },
        ),
    },
    {
      name: 'an upgrade to HTTP/2',
      bytes: () =>
        post({
          Connection: 'Upgrade, HTTP2-Settings, close',
          Upgrade: 'h2c',
          'HTTP2-Settings': 'AAMAAABkAAQAAP__',
        }),
    },
    { name: "HTTP/2's first words", bytes: () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0' },
    { name: 'two lengths', bytes: () => post({ ...own, 'content-length': '5' }) },
    {
      name: 'a length and chunks',
      bytes: () =>
        `${post({ ...own, 'Transfer-Encoding': 'chunked' }, { content: '0\r\n\r\n' })}${post(own)}`,
    },
    {
      name: 'chunks of two meanings',
      bytes: among(
        post({ ...own, 'Transfer-Encoding': 'xchunked' }),
        post({ ...own, 'Transfer-Encoding': 'chunked, identity' }),
        post({ ...own, 'Transfer-Encoding': ' \x0bchunked' }),
      ),
    },
    {
      name: 'lines that end in LF, or go on',
      bytes: among(
        post(own).replaceAll('\r\n', '\n'),
        post({ ...own, X: 'a\r\n b' }),
        post({ ...own, 'X ': 'a' }),
        post({ ...own, X: 'a\0b' }),
      ),
    },
    {
      name: 'a header in a header',
      bytes: among(
        post({ X: `a\rAuthorization: Bearer ${token}` }),
        post({ X: `a\nAuthorization: Bearer ${token}\n` }),
      ),
    },
    {
      name: 'another method by header',
      bytes: () => get({ 'X-HTTP-Method-Override': 'POST', 'X-Method-Override': 'POST' }),
    },
    {
      name: 'a request behind a refused one',
      bytes: () => `${get({ Connection: 'keep-alive' })}${post({})}`,
    },
    {
      name: 'an address as for a proxy',
      bytes: among(
        post(own, { path: `http://evil.example${target}` }),
        post(own, { path: `http://localhost${target}` }),
      ),
    },
    {
      name: 'a way around the path',
      bytes: (index) =>
        post(
          {},
          {
            path: among(
              `/${target}`,
              `/health/..${target}`,
              '/%61pi/daemon/sessions',
              `/health;${target}`,
              `/health%2f..${target}`,
              '/api/daemon//sessions',
              '/API/daemon/sessions',
              `${target}#/health`,
              `${target}?/health`,
              '/health?x',
            )(index),
          },
        ),
    },
    { name: 'a very long address', bytes: () => post(own, { path: `${target}?${'x'.repeat(20_000)}` }) },
    {
      name: 'very many headers',
      bytes: () =>
        post({
          ...own,
          ...Object.fromEntries(Array.from({ length: 2_000 }, (_, at) => [`X-${at}`, 'x'.repeat(10)])),
        }),
    },
    {
      name: 'an address by a proxy that there is not',
      bytes: () =>
        post({
          'X-Forwarded-For': '127.0.0.1',
          'X-Forwarded-Host': 'localhost',
          'X-Real-IP': '127.0.0.1',
          Forwarded: 'for=127.0.0.1',
        }),
    },
    {
      name: 'a tunnel or an echo',
      bytes: among('CONNECT localhost:22 HTTP/1.1\r\nHost: localhost\r\n\r\n', post({}, { method: 'TRACE' })),
    },
    {
      name: 'a WebSocket of a foreign page',
      bytes: (index) =>
        get({
          ...own,
          ...upgrade,
          Origin: among('http://evil.example', 'null', 'https://localhost:3000')(index),
        }),
    },
    {
      name: 'a WebSocket by a name that was made to point here',
      bytes: (index) => get({ ...own, ...upgrade }, '/', strangeHosts(index)),
    },
    {
      name: 'too deep, too large, or no JSON',
      bytes: (index) =>
        post(own, {
          content: among('['.repeat(10_000), '{', '\xff', 'null', '{"task":{"__proto__":{}}}')(index),
        }),
    },
    {
      name: 'a WebSocket without a token that asks at once',
      isHarmless: true,
      bytes: () => get(upgrade, '/') + frame(`{"type":"spawn_session","payload":${body}}`),
    },
    {
      name: 'a WebSocket with a wrong subprotocol token',
      bytes: (index) =>
        get(
          {
            ...upgrade,
            'Sec-WebSocket-Protocol': `orchestrator.json.v1, orchestrator.token.${flipped(index)}`,
          },
          '/',
        ),
    },
    {
      name: 'a WebSocket with a wrong first frame',
      isHarmless: true,
      bytes: (index) =>
        get(upgrade, '/') +
        frame(`{"type":"auth","token":"${flipped(index)}"}`) +
        frame(`{"type":"spawn_session","payload":${body}}`),
    },
    {
      name: 'a WebSocket with the token in the URL',
      isHarmless: true,
      bytes: () => get(upgrade, `/?token=${token}`) + frame(`{"type":"spawn_session","payload":${body}}`),
    },
  ];
}

/** A text of RFC 6455 with a mask of zeros, which is one. */
function frame(text: string): string {
  const length =
    text.length < 126
      ? String.fromCharCode(0x80 | text.length)
      : `\xfe${String.fromCharCode(text.length >> 8, text.length & 255)}`;
  return `\x81${length}\0\0\0\0${text}`;
}
