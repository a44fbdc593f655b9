import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { nullLogger } from '../../src/base/logger.ts';
import { type Access, openAccess } from '../../src/servers/access/access.ts';
import { addNamedToken } from '../../src/servers/access/namedTokens.ts';
import { createSocketDoor, type SocketDoor } from '../../src/servers/daemon/socket/socketDoor.ts';
import { type HttpServer, startHttpServer } from '../../src/servers/http/httpServer.ts';
import { originRules } from '../../src/servers/http/originRules.ts';
import { createDaemonDouble, type DaemonDouble } from '../integration/daemonDouble.ts';
import { type Attack, attacks } from './attackTable.ts';

const requestsInAll = 20_000;
const atOnce = 40;
/** Of a connection that nobody answers. */
const answerLimitMs = 10_000;

let stateDir: string;
let access: Access;
let server: HttpServer;
let daemon: DaemonDouble;
let table: readonly Attack[];
/** Of the client that is to be served; attackers that hold a right token hold the main one. */
let token: string;
let sockets: SocketDoor;
/** WebSockets whose client has shown a token. */
let accepted = 0;

beforeAll(async () => {
  stateDir = mkdtempSync(join(tmpdir(), 'ow-attacks-'));
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const publicKey = rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const jwtSecret = 'a secret of more than 32 characters';
  access = openAccess({ stateDir, jwt: { secret: jwtSecret, publicKeys: publicKey }, logger: nullLogger });
  const stolen = readFileSync(access.tokenPath, 'utf8').trim();
  token = await addNamedToken(stateDir, { name: 'legitimate', scope: 'drive' }, Date.now());
  daemon = createDaemonDouble();
  sockets = createSocketDoor({
    rules: originRules('127.0.0.1', [], ['http://localhost:3000']),
    authenticator: access,
    accept(link) {
      accepted += 1;
      return daemon.api.accept(link);
    },
    sequence: () => 0,
    logger: nullLogger,
  });
  server = await startHttpServer({
    stateDir,
    port: 0,
    access,
    daemon: daemon.api,
    tasks: undefined,
    allowedOrigins: ['http://localhost:3000'],
    limits: { requestsPerSecond: 100_000, requestsAtOnce: 100_000 },
    onUpgrade: (request, socket, head) => sockets.handleUpgrade(request, socket, head),
    logger: nullLogger,
  });
  table = attacks({ token: stolen, jwtSecret, publicKey });
});

afterAll(async () => {
  await sockets.stop();
  await server.stop();
  access.dispose();
  rmSync(stateDir, { recursive: true });
});

/** @returns the statuses of all answers. */
function send(bytes: string): Promise<number[]> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(server.port, server.host);
    const done = (): void => {
      socket.destroy();
      resolve([...text.matchAll(/^HTTP\/1\.[01] (\d+)/gm)].map(([, status]) => Number(status)));
    };
    socket.setEncoding('latin1').on('data', (part: string) => (text += part));
    socket.on('error', () => undefined);
    socket.on('close', done);
    socket.setTimeout(answerLimitMs, done);
    socket.write(bytes, 'latin1');
  });
}

async function legitimate(): Promise<number> {
  const began = performance.now();
  const answer = await fetch(`${server.url}/api/daemon/status`, {
    headers: { authorization: `Bearer ${token}` },
  });
  expect(answer.status).toBe(200);
  await answer.json();
  return performance.now() - began;
}

it('lets nobody in who is none of ours, and serves those who are, before, during and after', {
  timeout: 180_000,
}, async () => {
  expect(table.length).toBeGreaterThanOrEqual(25);
  for (let index = 0; index < 100; index += 1) await legitimate();

  const each = Math.ceil(requestsInAll / table.length);
  const work = table.flatMap((attack) => Array.from({ length: each }, (_, index) => ({ attack, index })));
  const letIn = new Map<string, number[]>();
  let answered = 0;
  let isOver = false;
  const attackers = Array.from({ length: atOnce }, async () => {
    for (let next = work.pop(); next !== undefined; next = work.pop()) {
      const { attack, index } = next;
      const statuses = await send(attack.bytes(index));
      answered += 1;
      if (attack.isHarmless !== true && statuses.some((status) => status < 400))
        letIn.set(attack.name, statuses);
    }
  });
  const served: number[] = [];
  const client = (async () => {
    while (!isOver) served.push(await legitimate());
  })();
  await Promise.all(attackers);
  isOver = true;
  await client;

  expect([...letIn]).toEqual([]);
  expect(answered).toBeGreaterThanOrEqual(requestsInAll);
  expect(served.length).toBeGreaterThan(100);
  for (let index = 0; index < 1_000; index += 1) await legitimate();
  expect(daemon.calls).toEqual([]);
  expect(daemon.sessions.size).toBe(0);
  expect(daemon.listeners).toBe(0);
  expect(accepted).toBe(0);
  // And the same request with the token where it belongs is what those attacks were after.
  const answer = await fetch(`${server.url}/api/daemon/sessions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: '{"task":"true","sessionType":"shell"}',
  });
  expect(answer.status).toBe(201);
  expect(daemon.calls).toEqual(['make session_1']);
});
