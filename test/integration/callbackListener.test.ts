import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import type { RunEventData } from '../../src/core/runs/runEvents.ts';
import { CallbackIntake } from '../../src/workers/containerTask/callbackIntake.ts';
import {
  bodyLimit,
  type CallbackListener,
  connectionLimit,
  createCallbackListener,
} from '../../src/workers/containerTask/callbackListener.ts';
import { waitUntil } from '../harness/processes.ts';

const token = randomBytes(32).toString('hex');
const otherToken = randomBytes(32).toString('hex');
let folder: string;
let socketPath: string;
let listener: CallbackListener;
let intake: CallbackIntake;
let told: { type: string; data: Record<string, unknown> }[];
const open: Socket[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ow-callback-'));
  socketPath = join(folder, 'callback.sock');
  told = [];
  intake = new CallbackIntake(
    (type, data) => {
      told.push({ type, data: { ...data } });
      return Promise.resolve();
    },
    systemClock,
    () => undefined,
  );
  listener = await createCallbackListener({
    taskId: 'task-001',
    token,
    hosts: ['127.0.0.1'],
    socket: socketPath,
    intake,
    namespace: { secret: otherToken.toUpperCase(), call: (method) => Promise.resolve(method) },
  });
});
afterEach(async () => {
  for (const socket of open.splice(0)) socket.destroy();
  await listener.close();
  intake.dispose();
  rmSync(folder, { recursive: true, force: true });
});

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

interface Post {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly socket?: string;
}

const good = JSON.stringify({ taskId: 'task-001', eventType: 'log_entry', data: { message: 'x' } });
const callback = `/${token}/orca-callback`;

function post({
  path = callback,
  method = 'POST',
  headers = {},
  body = good,
  socket,
}: Post): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const where = socket === undefined ? { host: '127.0.0.1', port: listener.port } : { socketPath: socket };
    const request = httpRequest({
      ...where,
      path,
      method,
      agent: false,
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), ...headers },
    });
    request.on('error', reject);
    request.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, body: text === '' ? undefined : JSON.parse(text) });
      });
    });
    request.end(method === 'GET' ? undefined : body);
  });
}

/** Bytes as they are, and what comes back until the listener closes the connection. */
function raw(bytes: string): { readonly answer: Promise<string>; readonly socket: Socket } {
  const socket = connect(listener.port, '127.0.0.1');
  open.push(socket);
  let text = '';
  const answer = new Promise<string>((resolve) => {
    socket.setEncoding('utf8').on('data', (part: string) => (text += part));
    socket.on('error', () => resolve(text));
    socket.on('close', () => resolve(text));
  });
  socket.write(bytes);
  return { answer, socket };
}

const callbacks = (): RunEventData['container_task.callback'][] =>
  told
    .filter(({ type }) => type === 'container_task.callback')
    .map(({ data }) => data as unknown as RunEventData['container_task.callback']);

describe('the callback listener', () => {
  it.each<[string, Post]>([
    ['with the token in the path', {}],
    ['in the other spellings', { path: `/${token}/orca_callback` }],
    ['of the mock listener', { path: `/${token}/mock_orca_callback` }],
    ['with a bearer', { path: '/orca-callback', headers: { authorization: `Bearer ${token}` } }],
    ['with a header of its own', { path: '/orca-callback', headers: { 'x-orca-token': token } }],
    ['with another charset named', { headers: { 'content-type': 'application/json; charset=utf-8' } }],
  ])('takes a callback %s', async (_name, request) => {
    const accepted = {
      status: 200,
      body: { status: 'received_ok', message_type_received: 'log_entry', taskId_received: 'task-001' },
    };
    expect(await post(request)).toEqual(accepted);
    expect(await post({ ...request, socket: socketPath })).toEqual(accepted);
    expect(callbacks()).toHaveLength(2);
  });

  it('takes the id that clients send when they have none', async () => {
    const body = good.replace('task-001', 'unknown_orca_task');
    expect(await post({ body })).toMatchObject({ status: 200 });
    expect(callbacks()[0]?.message).toContain('task-0...');
  });

  const validation = (...errors: string[]): unknown => ({
    status: 'error',
    message: 'Validation failed',
    errors,
  });

  it.each<[string, Post, number, unknown]>([
    ['no token', { path: '/orca-callback' }, 401, undefined],
    ['an empty token', { path: '//orca-callback' }, 401, undefined],
    ["another task's token", { path: `/${otherToken}/orca-callback` }, 401, undefined],
    ['half a token', { path: `/${token.slice(0, 32)}/orca-callback` }, 401, undefined],
    ['a token with more behind it', { path: `/${token}0/orca-callback` }, 401, undefined],
    [
      "the executable's secret",
      { headers: {}, path: `/${otherToken.toUpperCase()}/orca-callback` },
      401,
      undefined,
    ],
    ['the token for the namespace', { path: `/${token}/namespace-wrapper` }, 401, undefined],
    ['a web page', { headers: { origin: 'http://127.0.0.1' } }, 403, undefined],
    ['another path', { path: `/${token}/get_received_messages` }, 404, undefined],
    ['a path above', { path: `/${token}/../orca-callback` }, 404, undefined],
    ['another method', { method: 'GET' }, 405, undefined],
    [
      'another content type',
      { headers: { 'content-type': 'text/plain' } },
      400,
      { error: 'Request must be JSON' },
    ],
    [
      'a form',
      { headers: { 'content-type': 'multipart/form-data' } },
      400,
      { error: 'Request must be JSON' },
    ],
    ['no JSON', { body: '{"taskId":' }, 400, validation('The body is not valid JSON')],
    ['an empty body', { body: '' }, 400, validation('The body is not valid JSON')],
    ['no UTF-8', { body: '"\ud800"' }, 400, undefined],
    ['a list', { body: '[]' }, 400, validation('The body is not a JSON object')],
    ['nothing in it', { body: '{}' }, 400, undefined],
    [
      'a missing field',
      { body: '{"taskId":"task-001","payload":{}}' },
      400,
      validation('Missing required field: eventType'),
    ],
    [
      'a field of another type',
      { body: good.replace('"log_entry"', '7') },
      400,
      validation('Invalid eventType: 7'),
    ],
    ['objects nested without end', { body: '{"a":'.repeat(5_000) + '1' + '}'.repeat(5_000) }, 400, undefined],
    ["another task's id", { body: good.replace('task-001', 'task-002') }, 403, undefined],
    ['too large a body', { body: `"${'x'.repeat(bodyLimit)}"` }, 413, undefined],
  ])('refuses %s', async (_name, request, status, body) => {
    const answer = await post(request);
    expect(answer.status).toBe(status);
    if (body !== undefined) expect(answer.body).toEqual(body);
    expect(callbacks()).toEqual([]);
    // The task itself is as well as before.
    expect(await post({})).toMatchObject({ status: 200 });
  });

  it('tells of what nobody understands, and counts what it refused', async () => {
    await post({ body: '{}' });
    await post({ path: '/orca-callback' });
    await intake.finish();
    expect(told.map(({ type, data }) => [type, data['action'] ?? data])).toEqual([
      ['container_task.notification', 'OrcaInvalidMessage'],
      ['container_task.refused', { unauthenticated: 1, invalid: 1, over_limit: 0 }],
    ]);
  });

  it('takes one result; what comes after it is told, another result is not', async () => {
    const result = JSON.stringify({
      taskId: 'task-001',
      eventType: 'task_result',
      data: { status: 'completed' },
    });
    expect(await post({ body: result })).toMatchObject({ status: 200 });
    expect(await post({ body: result.replace('completed', 'failed') })).toMatchObject({ status: 409 });
    expect(await post({})).toMatchObject({ status: 200 });
    expect(callbacks().map(({ event_type }) => event_type)).toEqual(['task_result', 'log_entry']);
  });

  it('ends what is no HTTP, has endless headers, or grows without a length', async () => {
    const head = `POST ${callback} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n`;
    expect(await raw('\x16\x03\x01\x02\x00').answer).toContain('400 Bad Request');
    expect(await raw(`${head}X: ${'y'.repeat(20_000)}\r\n\r\n`).answer).toMatch(/^HTTP\/1.1 4/);
    const both = `${head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n`;
    expect(await raw(both).answer).toContain('400 Bad Request');
    const chunk = `${(256 * 1024).toString(16)}\r\n${'x'.repeat(256 * 1024)}\r\n`;
    expect(await raw(`${head}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(6)}`).answer).toContain('413');
    expect(await post({})).toMatchObject({ status: 200 });
  });

  it('ends who connects and says nothing, and whose body does not come', async () => {
    const began = Date.now();
    const head = `POST ${callback} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n`;
    const silent = raw('');
    const halfHead = raw('POST /');
    const slow = raw(`${head}Content-Length: 100\r\n\r\n{`);
    const answers = await Promise.all([silent.answer, halfHead.answer, slow.answer]);
    expect(answers[2]).toContain('408');
    expect(Date.now() - began).toBeLessThan(13_000);
    expect(await post({})).toMatchObject({ status: 200 });
  });

  it('has room for so many connections, and ends those that only stand there', async () => {
    const known = Array.from({ length: connectionLimit - 2 }, () =>
      raw(
        `POST ${callback} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n`,
      ),
    );
    await waitUntil('they are known', async () => (await post({})).status === 200);
    const idle = Array.from({ length: 100 }, () => raw('POST /'));
    await Promise.all(idle.slice(0, 90).map(({ answer }) => answer));
    // One that has something to say comes through, on either address, and nobody is sent away who had.
    expect(await post({})).toMatchObject({ status: 200 });
    expect(await post({ socket: socketPath })).toMatchObject({ status: 200 });
    expect(known.map(({ socket }) => socket.readyState)).toEqual(known.map(() => 'open'));
  });

  it('says so where the address is none of this machine', async () => {
    const hosts = ['203.0.113.1'];
    await expect(createCallbackListener({ taskId: 't', token, hosts, intake })).rejects.toMatchObject({
      reason: 'container_engine_failed',
      message: expect.stringContaining('203.0.113.1') as string,
    });
  });

  it('closes with all its connections', async () => {
    const waiting = raw('POST /');
    await waitUntil('it is connected', () => waiting.socket.readyState === 'open');
    await listener.close();
    expect(await waiting.answer).toBe('');
    await expect(post({})).rejects.toThrow();
  });
});
