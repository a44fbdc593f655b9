import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { decode, encode } from 'cborg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { OrchestratorError } from '../../src/base/errors.ts';
import type { StreamFrame } from '../../src/protocol/daemon/frames.ts';
import { cborProtocol, grpcProtocol, jsonProtocol } from '../../src/protocol/daemon/handshake.ts';
import type { Caller } from '../../src/servers/access/caller.ts';
import type { AcceptClient, ClientLink, FrameBatch } from '../../src/servers/daemon/clientLink.ts';
import { type RawConnectOptions, RawWebSocket } from '../harness/rawWebSocket.ts';
import { waitUntil } from '../harness/processes.ts';
import { makeCertificates } from '../harness/certificates.ts';
import { tempDir } from '../harness/tempDir.ts';
import {
  authenticatorOf,
  callerOf,
  echoing,
  goodToken,
  type ServeDoorOptions,
  type ServedDoor,
  serveDoor,
} from '../harness/socketDoorServer.ts';

const opened: AsyncDisposable[] = [];
const clients: RawWebSocket[] = [];
let served: ServedDoor;

async function serve(options: ServeDoorOptions = {}): Promise<void> {
  served = await serveDoor(options);
  opened.push(served);
}

async function connect(options: RawConnectOptions = {}): Promise<RawWebSocket> {
  const client = await RawWebSocket.connect(served.port, options);
  clients.push(client);
  return client;
}

/** With a token, and its greeting read. */
async function enter(options: RawConnectOptions = {}): Promise<RawWebSocket> {
  const client = await connect({ token: goodToken, ...options });
  expect(await client.nextJson()).toMatchObject({ type: 'health_check_response', healthy: true });
  return client;
}

/** The close frame that must come next. */
async function closed(client: RawWebSocket): Promise<[code: number | undefined, reason: string | undefined]> {
  const frame = await client.next();
  return [frame?.payload.readUInt16BE(), frame?.payload.toString('utf8', 2)];
}

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const item of opened.splice(0)) await item[Symbol.asyncDispose]();
});

describe('a handshake', () => {
  beforeEach(() => serve());

  const wrong: readonly [what: string, options: RawConnectOptions, status: number, body: object][] = [
    ['a foreign host', { headers: { Host: 'evil.example' } }, 403, { code: 'FORBIDDEN' }],
    ['a foreign page', { headers: { Origin: 'http://evil.example' } }, 403, { code: 'FORBIDDEN' }],
    ['a sandboxed page', { headers: { Origin: 'null' } }, 403, { code: 'FORBIDDEN' }],
    ['a cross-site fetch', { headers: { 'Sec-Fetch-Site': 'cross-site' } }, 403, { code: 'FORBIDDEN' }],
    ['another version', { headers: { 'Sec-WebSocket-Version': '8' } }, 426, { code: 'VALIDATION_ERROR' }],
    ['no key', { headers: { 'Sec-WebSocket-Key': 'abc' } }, 400, { code: 'VALIDATION_ERROR' }],
    ['another protocol', { headers: { Upgrade: 'h2c' } }, 400, { code: 'VALIDATION_ERROR' }],
    ['an unknown subprotocol', { headers: { 'Sec-WebSocket-Protocol': 'graphql-ws' } }, 400, {}],
    ['a subprotocol that is no name', { headers: { 'Sec-WebSocket-Protocol': 'a b' } }, 400, {}],
    ['many subprotocols', { headers: { 'Sec-WebSocket-Protocol': 'x,'.repeat(40) } }, 400, {}],
    ['a wrong token', { token: 'wrong' }, 401, { error: 'api_key_invalid', code: 'UNAUTHORIZED' }],
    ['a wrong key', { headers: { 'x-api-key': 'wrong' } }, 401, { error: 'api_key_invalid' }],
    [
      'another authorization',
      { headers: { Authorization: 'Basic eDp4' } },
      401,
      { error: 'credentials_missing' },
    ],
    [
      'a wrong token as subprotocol',
      { headers: { 'Sec-WebSocket-Protocol': `${jsonProtocol}, orchestrator.token.wrong` } },
      401,
      { error: 'api_key_invalid' },
    ],
    ['a token in the query', { path: `/?token=${goodToken}` }, 401, { error: 'credentials_missing' }],
    [
      'gRPC where there is none',
      { token: goodToken, headers: { 'Sec-WebSocket-Protocol': grpcProtocol } },
      404,
      {},
    ],
  ];
  it.each(wrong)('is refused: %s', async (_what, options, status, body) => {
    const { head } = await connect(options);
    const [start = '', text = ''] = head.split('\r\n\r\n');
    expect(start).toContain(`HTTP/1.1 ${status} `);
    expect(JSON.parse(text)).toMatchObject(body);
  });

  it.each([
    { token: goodToken },
    { headers: { 'x-api-key': goodToken } },
    { headers: { 'Sec-WebSocket-Protocol': `orchestrator.token.${goodToken}, ${jsonProtocol}` } },
  ])('takes a token: %o', async (options) => {
    const client = await connect(options);
    expect(client.head).not.toContain(goodToken);
    expect(await client.nextJson()).toEqual({ type: 'health_check_response', healthy: true, seq: 7 });
    client.json({ type: 'ping', requestId: 'r1' });
    expect(await client.nextJson()).toEqual({ type: 'pong', requestId: 'r1', seq: 7 });
  });

  it('answers 429 where a caller, or all of them, have too many connections', async () => {
    await serve({ limits: { maxConnectionsPerCaller: 2 } });
    await enter();
    const second = await enter();
    expect((await connect({ token: goodToken })).head).toMatch(/429 .*"error":"connection_limit_exceeded"/s);
    second.destroy();
    await waitUntil('there is room', () => served.door.figures().clients === 1);
    await enter();
    await serve({ limits: { maxConnections: 1 } });
    await enter();
    expect((await connect()).head).toMatch(/429 .*"error":"connection_limit_exceeded"/s);
  });

  it('answers 429 after too many failures', async () => {
    const error = new OrchestratorError('RESOURCE_EXHAUSTED', 'permission_denied', 'Too many failures.');
    await serve({ authenticator: { authenticate: () => Promise.reject(error) } });
    expect((await connect({ token: 'x' })).head).toMatch(/429 .*Too many failures/s);
  });

  it('takes a token in the query where that is allowed', async () => {
    await serve({ allowsQueryToken: true });
    for (const path of [`/?token=${goodToken}`, `/any/path?x=1&apiKey=${goodToken}`]) {
      const client = await connect({ path });
      client.json({ type: 'ping' });
      await client.nextJson();
      expect(await client.nextJson()).toMatchObject({ type: 'pong' });
    }
  });

  it.each([
    ['permessage-deflate', true],
    ['permessage-deflate; client_max_window_bits', true],
    ['x-other, permessage-deflate; server_max_window_bits=15', true],
    ['permessage-deflate; server_max_window_bits=9, permessage-deflate', true],
    ['permessage-deflate; server_max_window_bits=9', false],
    ['permessage-deflate; unknown', false],
    ['permessage-deflate; client_max_window_bits=7', false],
    ['x-webkit-deflate-frame', false],
    [';;,=', false],
  ])('agrees on compression: %s is %s', async (offer, isAccepted) => {
    const { head } = await connect({ token: goodToken, headers: { 'Sec-WebSocket-Extensions': offer } });
    expect(head).toContain('HTTP/1.1 101');
    expect(head.includes('Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover')).toBe(
      isAccepted,
    );
  });
});

describe('a client without a token', () => {
  it('is greeted, sends auth, and is told its scopes', async () => {
    await serve();
    const client = await connect();
    expect(await client.nextJson()).toEqual({ type: 'health_check_response', healthy: true, seq: 0 });
    expect(served.door.figures().clients).toBe(0);
    client.json({ type: 'auth', token: goodToken });
    // Sent before it was known whether the token is good.
    client.json({ type: 'ping' });
    expect(await client.nextJson()).toMatchObject({
      type: 'auth_success',
      scopes: ['read', 'drive', 'admin'],
    });
    expect(await client.nextJson()).toMatchObject({ type: 'pong' });
    expect(served.door.figures().clients).toBe(1);
  });

  it.each([
    [{ type: 'ping', requestId: 'a' }, 'not_authenticated'],
    [{ type: 'auth', token: 'wrong', requestId: 'a' }, 'api_key_invalid'],
    [{ type: 'auth', requestId: 'a' }, 'credentials_missing'],
  ])('is sent away for %o', async (message, error) => {
    await serve();
    const client = await connect();
    await client.nextJson();
    client.json(message);
    expect(await client.nextJson()).toEqual({ type: 'error', error, requestId: 'a', seq: 0 });
    expect((await closed(client))[0]).toBe(4_001);
  });

  it.each(['{', 'null', '[]', '"auth"'])('is sent away for %s', async (payload) => {
    await serve();
    const client = await connect();
    await client.nextJson();
    client.send({ payload });
    expect(await client.nextJson()).toMatchObject({ error: 'not_authenticated' });
    expect((await closed(client))[0]).toBe(4_001);
  });

  it('may not send much, nor wait long, nor be one of many', async () => {
    await serve({ limits: { maxStrangers: 2, authTimeoutMs: 200 } });
    const big = await connect();
    await big.nextJson();
    big.send({ payload: 'x'.repeat(8_193) });
    expect((await closed(big))[0]).toBe(1_009);
    const oldest = await connect();
    await oldest.nextJson();
    const slow = await connect();
    await slow.nextJson();
    await connect();
    expect(await closed(oldest)).toEqual([4_002, 'Too many clients have not sent "auth".']);
    expect(await closed(slow)).toEqual([4_002, 'No "auth" came within 0.2 s.']);
  });
});

describe('a token', () => {
  it('that ends while its caller is connected ends the connection, unless another came', async () => {
    let now = 1_000;
    const brief: Caller = { ...callerOf('brief', 'read'), expiresAt: 5_000 };
    await serve({
      now: () => now,
      authenticator: authenticatorOf({ brief, long: callerOf('long', 'read') }),
      limits: { authTimeoutMs: 100 },
    });
    const client = await enter({ token: 'brief' });
    const other = await enter({ token: 'brief' });
    other.json({ type: 'auth', token: 'long' });
    expect(await other.nextJson()).toMatchObject({ type: 'auth_success', scopes: ['read'] });
    now = 6_000;
    expect(await client.nextJson()).toMatchObject({ type: 'error', error: 'token_expired' });
    expect(await closed(client)).toEqual([4_001, 'Token expired']);
    other.json({ type: 'ping' });
    expect(await other.nextJson()).toMatchObject({ type: 'pong' });
  });

  it('may come with a message, which is not handled where it is wrong', async () => {
    await serve();
    const client = await enter();
    client.json({ type: 'ping', auth: { token: 'wrong' }, requestId: 'a' });
    client.json({ type: 'ping', auth: {}, requestId: 'b' });
    client.json({ type: 'ping', auth: { apiKey: goodToken }, requestId: 'c' });
    expect(await client.nextJson()).toMatchObject({ error: 'api_key_invalid', requestId: 'a' });
    expect(await client.nextJson()).toMatchObject({ error: 'message_credentials_missing', requestId: 'b' });
    expect(await client.nextJson()).toMatchObject({ type: 'pong', requestId: 'c' });
  });
});

describe('a wrong message', () => {
  beforeEach(() => serve());
  const invalid = 'Invalid message format';
  const unknown = 'Unknown message type';
  const wide = JSON.stringify({ type: 'ping', x: Array.from({ length: 100_001 }, () => 0) });
  const table: readonly [what: string, text: string, error: string][] = [
    ['no JSON', '{', invalid],
    ['null', 'null', invalid],
    ['a number', '1', invalid],
    ['a list', '[]', invalid],
    ['nothing', '', invalid],
    ['no type', '{}', unknown],
    ['an unknown type', '{"type":"route_task"}', unknown],
    ['a pong', '{"type":"pong"}', unknown],
    ['a type that is no text', '{"type":1}', unknown],
    ['a type of the prototype', '{"type":"__proto__"}', unknown],
    ['no payload', '{"type":"session_status"}', invalid],
    ['no payload to execute', '{"type":"execute_task"}', invalid],
    ['no payload to stop', '{"type":"stop_session"}', invalid],
    ['a wrong type', '{"type":"session_status","payload":{"sessionId":1}}', invalid],
    ['a missing field', '{"type":"spawn_session","payload":{}}', invalid],
    ['deep brackets', '['.repeat(100_000), invalid],
    ['deep objects', '{"a":'.repeat(100_000), invalid],
    ['65 deep', `{"type":"ping","x":${'['.repeat(64)}${']'.repeat(64)}}`, invalid],
    ['many values', wide, invalid],
  ];
  it.each(table)('gets the contract’s text, and the connection stays: %s', async (_what, text, error) => {
    const client = await enter();
    client.send({ payload: text });
    expect(await client.nextJson()).toMatchObject({ type: 'error', error });
    client.json({ type: 'ping' });
    expect(await client.nextJson()).toMatchObject({ type: 'pong' });
  });

  it('gets its request id, and what is wrong', async () => {
    const client = await enter();
    client.json({ type: 'session_status', requestId: 'a', payload: { sessionId: 1 } });
    expect(await client.nextJson()).toMatchObject({
      requestId: 'a',
      detail: expect.stringContaining('payload.sessionId') as string,
    });
  });

  it('of 100 MB is answered without being kept, in one frame and in many', async () => {
    const client = await enter();
    const size = 100 * 1024 * 1024;
    const before = process.memoryUsage().rss;
    const part = Buffer.alloc(64 * 1024, 0x20);
    const sendPart = (bytes: Buffer): Promise<void> =>
      new Promise((resolve) => client.socket.write(bytes, () => resolve()));
    const header = Buffer.alloc(14);
    header.writeUInt16BE(0x81ff);
    header.writeBigUInt64BE(BigInt(size), 2);
    await sendPart(header);
    for (let sent = 0; sent < size; sent += part.length) await sendPart(part);
    expect(await client.nextJson(20_000)).toMatchObject({
      error: invalid,
      detail: expect.stringContaining('4194304') as string,
    });
    const webSocket = new WebSocket(served.url, {
      headers: { Authorization: `Bearer ${goodToken}` },
      perMessageDeflate: false,
    });
    await once(webSocket, 'message');
    for (let sent = 0; sent < 32 * 1024 * 1024; sent += part.length)
      webSocket.send(part, { binary: false, fin: false });
    webSocket.send('', { fin: true });
    const [answer] = (await once(webSocket, 'message')) as [Buffer];
    expect(JSON.parse(answer.toString())).toMatchObject({ error: invalid });
    webSocket.send('{"type":"ping"}');
    expect(String((await once(webSocket, 'message'))[0])).toContain('pong');
    webSocket.terminate();
    client.json({ type: 'ping' });
    expect(await client.nextJson()).toMatchObject({ type: 'pong' });
    expect(process.memoryUsage().rss - before).toBeLessThan(160 * 1024 * 1024);
  });
});

describe('limits of a client', () => {
  it('drops messages over the rate with an error, and ends what goes on', async () => {
    await serve({ limits: { maxMessages: 5, windowMs: 60_000 } });
    const client = await enter();
    for (let index = 0; index < 11; index += 1) client.json({ type: 'ping', requestId: String(index) });
    for (let index = 0; index < 5; index += 1)
      expect(await client.nextJson()).toMatchObject({ type: 'pong' });
    for (let index = 5; index < 11; index += 1) {
      expect(await client.nextJson()).toMatchObject({
        error: 'rate_limit_exceeded',
        requestId: String(index),
      });
    }
    expect(await closed(client)).toEqual([4_004, 'More than 5 messages in 60 s.']);
  });

  it('counts the messages of all connections of a caller', async () => {
    await serve({ limits: { maxMessagesPerCaller: 2 } });
    const [first, second] = [await enter(), await enter()];
    first.json({ type: 'ping' });
    second.json({ type: 'ping' });
    expect(await first.nextJson()).toMatchObject({ type: 'pong' });
    expect(await second.nextJson()).toMatchObject({ type: 'pong' });
    second.json({ type: 'ping' });
    expect(await second.nextJson()).toMatchObject({ error: 'rate_limit_exceeded' });
  });

  it('ends what pings without end, breaks a message in pieces, or takes too long for one', async () => {
    await serve({ limits: { maxControlFrames: 3, maxFragments: 4, messageTimeoutMs: 100 } });
    const pinging = await enter();
    for (let index = 0; index < 4; index += 1) pinging.send({ opcode: 9 });
    for (let index = 0; index < 3; index += 1) expect((await pinging.next())?.opcode).toBe(10);
    expect((await closed(pinging))[0]).toBe(4_004);
    const breaking = await enter();
    for (let index = 0; index < 5; index += 1) breaking.send({ opcode: index === 0 ? 1 : 0, isFinal: false });
    expect((await closed(breaking))[0]).toBe(1_008);
    const slow = await enter();
    slow.socket.write(Buffer.from([0x81]));
    expect(await closed(slow)).toEqual([1_008, 'A message took more than 0.1 s.']);
  });

  it('pings, and ends what does not answer', async () => {
    await serve({ limits: { pingIntervalMs: 100, pongTimeoutMs: 150 } });
    const quiet = await enter();
    const answering = await enter();
    const first = await answering.next();
    expect(first?.opcode).toBe(9);
    answering.send({ opcode: 10, payload: first?.payload ?? '' });
    expect((await quiet.next())?.opcode).toBe(9);
    expect((await closed(quiet))[0]).toBe(1_008);
    expect((await answering.next())?.opcode).toBe(9);
  });
});

describe('the stream', () => {
  const links: ClientLink[] = [];
  let drains = 0;
  const accept: AcceptClient = (link) => {
    links.push(link);
    return { ...echoing(link), drained: () => (drains += 1) };
  };
  const chunk = (seq: number, text: string): StreamFrame => ({
    type: 'stream_chunk',
    seq,
    part: 0,
    data: { sessionId: 's', chunk: text, metadata: { type: 'text', index: seq, taskId: 't' } },
  });
  const batchOf = (...frames: StreamFrame[]): FrameBatch => ({ frames });
  beforeEach(() => {
    links.length = 0;
    drains = 0;
  });

  it('reaches every client in its encoding, compressed where it is long, in order with answers', async () => {
    await serve({ accept });
    const deflating = { 'Sec-WebSocket-Extensions': 'permessage-deflate' };
    const long = 'lorem ipsum '.repeat(5_000);
    const batch = batchOf(chunk(1, 'short'), chunk(2, long));
    const plain = await enter();
    const packed = await enter({ headers: deflating });
    const cbor = await connect({ token: goodToken, headers: { 'Sec-WebSocket-Protocol': cborProtocol } });
    expect(decode((await cbor.next())?.payload ?? Buffer.alloc(0))).toMatchObject({
      type: 'health_check_response',
    });
    for (const link of links) {
      link.answer({ type: 'pong', seq: 3 });
      link.deliver(batch);
      link.answer({
        type: 'terminal_output',
        terminalId: 'x',
        offset: 0,
        data: new Uint8Array([255, 0]),
        seq: 4,
      });
    }
    expect(await plain.nextJson()).toEqual({ type: 'pong', seq: 3 });
    expect(await plain.nextJson()).toEqual(chunk(1, 'short'));
    expect(await plain.nextJson()).toEqual(chunk(2, long));
    expect(await plain.nextJson()).toMatchObject({ data: '/wA=' });
    await packed.next();
    expect((await packed.next())?.reserved).toBe(0);
    const compressed = await packed.next();
    expect(compressed?.reserved).toBe(4);
    expect(compressed?.payload.length).toBeLessThan(2_000);
    const got: unknown[] = [];
    for (let index = 0; index < 4; index += 1)
      got.push(decode((await cbor.next())?.payload ?? Buffer.alloc(0)));
    expect(got.slice(0, 3)).toEqual([{ type: 'pong', seq: 3 }, chunk(1, 'short'), chunk(2, long)]);
    expect(got[3]).toMatchObject({ data: new Uint8Array([255, 0]) });
    cbor.send({ opcode: 2, payload: encode({ type: 'ping', requestId: 'a' }) });
    expect(decode((await cbor.next())?.payload ?? Buffer.alloc(0))).toMatchObject({
      type: 'pong',
      requestId: 'a',
    });
    cbor.json({ type: 'ping' });
    expect(decode((await cbor.next())?.payload ?? Buffer.alloc(0))).toMatchObject({
      error: 'Invalid message format',
    });
    cbor.send({ opcode: 2, payload: Buffer.alloc(100_000, 0x81) });
    expect(decode((await cbor.next())?.payload ?? Buffer.alloc(0))).toMatchObject({
      error: 'Invalid message format',
    });
  });

  it('is read by other clients: ws with compression, and Node’s own', async () => {
    await serve({ accept });
    const webSocket = new WebSocket(served.url, jsonProtocol, { headers: { 'x-api-key': goodToken } });
    const own = new globalThis.WebSocket(served.url, [jsonProtocol, `orchestrator.token.${goodToken}`]);
    const texts: string[] = [];
    webSocket.on('message', (data: Buffer) => texts.push(data.toString()));
    own.addEventListener('message', ({ data }) => texts.push(String(data)));
    await waitUntil('both are greeted', () => texts.length === 2);
    expect(webSocket.extensions).toContain('permessage-deflate');
    const batch = batchOf(chunk(1, 'ü'.repeat(20_000)));
    for (const link of links) link.deliver(batch);
    await waitUntil('both have it', () => texts.length === 4);
    expect(texts.slice(2)).toEqual([JSON.stringify(batch.frames[0]), JSON.stringify(batch.frames[0])]);
    webSocket.close(1_000);
    own.close();
    await waitUntil('both have left', () => served.door.figures().clients === 0);
  });

  it('stops for a client that does not read, goes on when it does, and holds little for it', async () => {
    await serve({ accept });
    const client = await enter();
    client.socket.pause();
    const text = 'x'.repeat(10_000);
    let sent = 0;
    while (links[0]?.deliver(batchOf(chunk(sent, text))) === true) sent += 1;
    expect(served.door.figures().waitingBytes).toBeLessThan(1024 * 1024);
    // Asking more without reading does not help.
    for (let index = 0; index < 500; index += 1)
      client.json({ type: 'execute_task', payload: { sessionId: 's', task: text } });
    expect(drains).toBe(0);
    client.socket.resume();
    await waitUntil('it is drained', () => drains === 1);
    expect(links[0]?.deliver(batchOf(chunk(sent + 1, 'last')))).toBe(true);
    for (let seq = 0; seq <= sent; seq += 1) expect(await client.nextJson()).toMatchObject({ seq });
  });

  it('ends for a client that reads nothing for too long', async () => {
    await serve({ accept, limits: { stallTimeoutMs: 300, closeTimeoutMs: 100 } });
    const client = await enter();
    client.socket.pause();
    let seq = 0;
    // Beyond what the system keeps for a connection.
    await waitUntil(
      'bytes wait',
      () => links[0]?.deliver(batchOf(chunk((seq += 1), 'x'.repeat(100_000)))) === false,
      { everyMs: 1 },
    );
    await waitUntil('it is gone', () => served.door.figures().clients === 0);
    client.socket.resume();
    await client.ended;
  });
});

describe('the door', () => {
  it('stops: every client is told, and the stubborn are cut', async () => {
    await serve({ limits: { closeTimeoutMs: 200 } });
    const [polite, stubborn] = [await enter(), await enter()];
    const stopping = served.door.stop();
    expect(await closed(polite)).toEqual([1_001, 'Server shutting down']);
    polite.send({ opcode: 8 });
    expect(await closed(stubborn)).toEqual([1_001, 'Server shutting down']);
    expect((await connect({ token: goodToken })).head).toContain('HTTP/1.1 503 ');
    await stopping;
    await stubborn.ended;
  });

  it('counts', async () => {
    await serve();
    const client = await enter();
    client.json({ type: 'ping' });
    await client.nextJson();
    const figures = served.door.figures();
    expect(figures).toMatchObject({ clients: 1, framesSent: 2, framesReceived: 1, waitingBytes: 0 });
    expect(figures.bytesReceived).toBe(21);
    expect(figures.bytesSent).toBeGreaterThan(60);
  });

  it('serves over TLS', async () => {
    await using folder = await tempDir();
    makeCertificates(folder.path);
    const read = (name: string): Buffer => readFileSync(join(folder.path, name));
    await serve({ tls: { cert: read('server.pem'), key: read('server-key.pem') } });
    const client = new WebSocket(served.url, {
      headers: { 'x-api-key': goodToken },
      rejectUnauthorized: false,
    });
    await once(client, 'message');
    client.send('{"type":"ping"}');
    expect(String((await once(client, 'message'))[0])).toContain('pong');
    client.close(1_000);
    await once(client, 'close');
  });

  it('hands gRPC’s bytes on, to admins', async () => {
    const accepted: Caller[] = [];
    const acceptGrpc = (connection: Duplex, caller: Caller): void => {
      accepted.push(caller);
      connection.pipe(connection);
    };
    await serve({
      acceptGrpc,
      authenticator: authenticatorOf({ admin: callerOf('a'), driver: callerOf('d', 'read', 'drive') }),
    });
    const offer = { 'Sec-WebSocket-Protocol': grpcProtocol };
    expect((await connect({ headers: offer })).head).toMatch(/401 .*credentials_missing/s);
    expect((await connect({ headers: offer, token: 'driver' })).head).toContain('HTTP/1.1 403 ');
    const client = await connect({ headers: offer, token: 'admin' });
    expect(client.head).toContain(`Sec-WebSocket-Protocol: ${grpcProtocol}`);
    client.send({ opcode: 2, payload: 'PRI * HTTP/2.0' });
    expect((await client.next())?.payload.toString()).toBe('PRI * HTTP/2.0');
    expect(accepted).toMatchObject([{ name: 'a' }]);
  });
});
