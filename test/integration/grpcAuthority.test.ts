import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nullLogger } from '../../src/base/logger.ts';
import { GrpcServer } from '../../src/servers/grpc/grpcServer.ts';

/** Clients of HTTP/2 as no library would send it; the usual ones are in test/conformance/. */

interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

const type = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goAway: 7, continuation: 9 };
const flag = { ack: 1, endStream: 1, endHeaders: 4, padded: 8, priority: 32 };
const none: Buffer = Buffer.alloc(0);
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

let folder: string;
let server: GrpcServer;
const sockets: Socket[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ow-authority-'));
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server.stop().catch(() => undefined);
  rmSync(folder, { recursive: true, force: true });
});

async function start(connectionTimeoutMs = 30_000): Promise<void> {
  const socketPath = join(folder, 's.sock');
  server = new GrpcServer({ services: [], socketPath, limits: { connectionTimeoutMs }, logger: nullLogger });
  await server.start();
}

/** A connection, with the frames that it has received. */
function connect(...bytes: Buffer[]): { socket: Socket; frames: Frame[] } {
  const socket = createConnection(server.socketPath);
  sockets.push(socket);
  const frames: Frame[] = [];
  let received: Buffer = none;
  socket.on('error', () => undefined);
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
    while (received.length >= 9 && received.length >= 9 + received.readUIntBE(0, 3)) {
      const end = 9 + received.readUIntBE(0, 3);
      frames.push({
        type: received.readUInt8(3),
        flags: received.readUInt8(4),
        stream: received.readUInt32BE(5),
        payload: received.subarray(9, end),
      });
      received = received.subarray(end);
    }
  });
  socket.write(Buffer.concat(bytes));
  return { socket, frames };
}

function frame(kind: number, flags: number, stream: number, payload = none): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header.writeUInt8(kind, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}
const settings = frame(type.settings, 0, 0);
const settingsAck = frame(type.settings, flag.ack, 0);
const ping = frame(type.ping, 0, 0, Buffer.from('question'));

const text = (value: string): Buffer => Buffer.concat([Buffer.of(value.length), Buffer.from(value)]);
const post = Buffer.of(0x83, 0x86);
const pathOf = (method: string): Buffer =>
  Buffer.concat([Buffer.of(0x04), text(`/grpc.health.v1.Health/${method}`)]);
const contentType = Buffer.concat([Buffer.of(0x0f, 0x10), text('application/grpc')]);
const trailers = Buffer.concat([Buffer.of(0x00), text('te'), text('trailers')]);

/** The header block of a health check. */
const blockOf = (authority: Buffer, method = 'Check'): Buffer =>
  Buffer.concat([post, pathOf(method), authority, contentType, trailers]);
const question = (stream: number): Buffer => frame(type.data, flag.endStream, stream, Buffer.alloc(5));
const call = (stream: number, authority: Buffer, method = 'Check'): Buffer =>
  Buffer.concat([frame(type.headers, flag.endHeaders, stream, blockOf(authority, method)), question(stream)]);

const legal = Buffer.concat([Buffer.of(0x41), text('localhost')]);
const odd = Buffer.concat([Buffer.of(0x41), text('/tmp/x.sock')]);
/** The entry that was made last. */
const lastEntry = Buffer.of(0xbe);
/** A message of five bytes before it: SERVING. */
const serving = Buffer.from([0, 0, 0, 0, 2, 8, 1]);

const answersTo = (frames: Frame[], stream: number): Buffer[] =>
  frames.filter((each) => each.type === type.data && each.stream === stream).map(({ payload }) => payload);
const kinds = (frames: Frame[], kind: number, flags: number): number =>
  frames.filter((each) => each.type === kind && each.flags === flags).length;

async function expectAnswer(frames: Frame[], stream: number): Promise<void> {
  await expect.poll(() => Buffer.concat(answersTo(frames, stream)), { timeout: 5_000 }).toEqual(serving);
  expect(frames.filter((each) => each.type === type.reset || each.type === type.goAway)).toEqual([]);
}

describe('an :authority that nghttp2 refuses', () => {
  it.each([
    ['a path', odd],
    ['nothing, by index', Buffer.of(0x81)],
    ['nothing, not entered', Buffer.of(0x01, 0)],
    ['nothing, entered', Buffer.of(0x41, 0)],
  ])('is corrected: %s, with what refers to it later', async (_name, authority) => {
    await start();
    const { socket, frames } = connect(preface, settings, call(1, authority));
    await expectAnswer(frames, 1);
    socket.write(settingsAck);
    // Does the second entry of the table stand where the client thinks?
    const isEntered = (authority[0] ?? 0) === 0x41;
    socket.write(call(3, isEntered ? lastEntry : authority));
    await expectAnswer(frames, 3);
  });

  it('is corrected in a request with priority and padding, and in one of several frames', async () => {
    await start();
    const padding = Buffer.alloc(7);
    const padded = Buffer.concat([Buffer.of(7, 0, 0, 0, 0, 15), blockOf(odd), padding]);
    const { socket, frames } = connect(preface, settings);
    socket.write(frame(type.headers, flag.endHeaders | flag.padded | flag.priority, 1, padded));
    socket.write(question(1));
    await expectAnswer(frames, 1);
    const block = blockOf(odd);
    for (const [i, byte] of block.entries()) {
      const last = i === block.length - 1 ? flag.endHeaders : 0;
      socket.write(frame(i === 0 ? type.headers : type.continuation, last, 3, Buffer.of(byte)));
    }
    socket.write(question(3));
    await expectAnswer(frames, 3);
  });

  it('leaves the end as it is: streams are told, and the connection closes', async () => {
    await start();
    const { socket, frames } = connect(preface, settings, call(1, odd, 'Watch'));
    await expectAnswer(frames, 1);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    const began = performance.now();
    await server.stop();
    await closed;
    expect(performance.now() - began).toBeLessThan(5_000);
    const notServing = Buffer.from([0, 0, 0, 0, 2, 8, 2]);
    expect(Buffer.concat(answersTo(frames, 1))).toEqual(Buffer.concat([serving, notServing]));
    expect(kinds(frames, type.headers, flag.endHeaders | flag.endStream)).toBe(1);
    expect(frames.some((each) => each.type === type.goAway)).toBe(true);
  });

  it('is no matter over TCP, where there are hosts', async () => {
    const tcp = { host: '127.0.0.1', port: 0, token: 'secret' };
    server = new GrpcServer({ services: [], socketPath: join(folder, 's.sock'), tcp, logger: nullLogger });
    await server.start();
    const socket = createConnection(server.tcpAddress?.port ?? 0, '127.0.0.1');
    sockets.push(socket);
    const answer = new Promise<Buffer>((resolve) => socket.once('data', resolve));
    socket.write(Buffer.concat([preface, settings]));
    // Its settings say what this server allows: they are the real ones, at once.
    expect((await answer).readUIntBE(0, 3)).toBeGreaterThan(0);
  });
});

describe('a connection before its first request', () => {
  it('gets settings at once, and its own are acknowledged with the first request', async () => {
    await start();
    const { socket, frames } = connect(preface, settings);
    await expect.poll(() => kinds(frames, type.settings, 0)).toBe(1);
    socket.write(Buffer.concat([settingsAck, call(1, legal)]));
    await expectAnswer(frames, 1);
    expect(kinds(frames, type.settings, 0)).toBe(2);
    expect(kinds(frames, type.settings, flag.ack)).toBe(1);
    socket.write(Buffer.concat([settingsAck, call(3, lastEntry)]));
    await expectAnswer(frames, 3);
  });

  it('gets only the real settings when its first bytes hold a request', async () => {
    await start();
    const { frames } = connect(preface, settings, call(1, legal));
    await expectAnswer(frames, 1);
    expect(kinds(frames, type.settings, 0)).toBe(1);
  });

  it('gets an answer to a ping, and is served later', async () => {
    await start();
    const { socket, frames } = connect(preface, settings, ping);
    await expect.poll(() => kinds(frames, type.ping, flag.ack)).toBe(1);
    socket.write(call(1, odd));
    await expectAnswer(frames, 1);
    socket.write(ping);
    await expect.poll(() => kinds(frames, type.ping, flag.ack)).toBe(2);
  });

  it('is served by the time limit where its acknowledgement is missing', async () => {
    await start(200);
    const { socket, frames } = connect(preface, settings);
    await expect.poll(() => kinds(frames, type.settings, 0)).toBe(1);
    socket.write(call(1, legal));
    await expectAnswer(frames, 1);
    socket.write(Buffer.concat([settingsAck, settingsAck, call(3, odd)]));
    await expectAnswer(frames, 3);
  });

  it('does not hold up the end of the server', async () => {
    await start();
    const { socket, frames } = connect(preface, settings);
    const silent = connect();
    await expect.poll(() => kinds(frames, type.settings, 0)).toBe(1);
    const ends = [socket, silent.socket].map((each) => new Promise((resolve) => each.once('close', resolve)));
    const began = performance.now();
    await server.stop();
    await Promise.all(ends);
    expect(performance.now() - began).toBeLessThan(5_000);
  });

  it('ends on what breaks HTTP/2, as it would without a look at it', async () => {
    await start();
    const { socket, frames } = connect(preface, settings);
    await expect.poll(() => kinds(frames, type.settings, 0)).toBe(1);
    socket.write(Buffer.concat([settingsAck, frame(type.continuation, flag.endHeaders, 1, blockOf(odd))]));
    await expect.poll(() => frames.some((each) => each.type === type.goAway)).toBe(true);
  });
});
