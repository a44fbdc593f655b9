import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RawFrame, RawWebSocket } from '../harness/rawWebSocket.ts';
import { goodToken, type ServedDoor, serveDoor } from '../harness/socketDoorServer.ts';
import { type WebSocketCase, webSocketCases } from './webSocketCases.ts';

let served: ServedDoor;
beforeAll(async () => {
  // Every row is a client of the same caller, and may come byte by byte.
  served = await serveDoor({ limits: { maxMessagesPerCaller: 100_000, maxConnectionsPerCaller: 1_000 } });
});
afterAll(() => served[Symbol.asyncDispose]());

async function open(isDeflating = false): Promise<RawWebSocket> {
  const headers: Record<string, string> = isDeflating
    ? { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' }
    : {};
  const client = await RawWebSocket.connect(served.port, { token: goodToken, headers });
  expect(client.head).toMatch(/^HTTP\/1.1 101 /);
  expect(client.head.includes('Sec-WebSocket-Extensions: permessage-deflate')).toBe(isDeflating);
  expect(await client.nextJson()).toEqual({ type: 'health_check_response', healthy: true, seq: 7 });
  return client;
}

function told({ isFinal, reserved, opcode, payload }: RawFrame): string {
  expect([isFinal, reserved]).toEqual([true, 0]);
  switch (opcode) {
    case 1: {
      const { type, error } = JSON.parse(payload.toString()) as { type: string; error?: string };
      return `answer ${error ?? type}`;
    }
    case 8:
      return `close ${payload.length === 0 ? 'none' : payload.readUInt16BE()}`;
    case 10:
      return `pong ${payload.toString('latin1')}`;
    default:
      return `opcode ${opcode}`;
  }
}

async function check({ sent, got, isDeflating }: WebSocketCase, chunks: readonly Buffer[]): Promise<void> {
  const client = await open(isDeflating);
  try {
    expect(Buffer.concat(chunks)).toEqual(sent);
    for (const chunk of chunks) {
      // Each in a write of its own, as far as the system lets it be one.
      await new Promise((resolve) => client.socket.write(chunk, resolve));
    }
    if (got.some((line) => line.startsWith('close'))) {
      // The server is the one to end the connection.
      expect((await client.rest()).map(told)).toEqual(got);
      return;
    }
    client.send({ opcode: 9, payload: 'still there' });
    const frames: string[] = [];
    while (frames.at(-1) !== 'pong still there') {
      const frame = await client.next();
      frames.push(frame === undefined ? 'end' : told(frame));
      if (frame === undefined) break;
    }
    expect(frames).toEqual([...got, 'pong still there']);
  } finally {
    client.destroy();
  }
}

/** A failed connection is closed by the server once the client's close frame, or its end, has come, or after a time. */
const answeredCloses = webSocketCases.length;

describe(`RFC 6455, ${answeredCloses} cases`, () => {
  it('has at least 100 cases', () => {
    expect(answeredCloses).toBeGreaterThanOrEqual(100);
  });
  it.concurrent.each(webSocketCases)('$what', (row) => check(row, [row.sent]));
  it.concurrent.each(webSocketCases.filter(({ sent }) => sent.length < 400))('$what, byte by byte', (row) =>
    check(
      row,
      Array.from(row.sent, (byte) => Buffer.from([byte])),
    ),
  );

  it('ends a connection whose client has sent its last byte', async () => {
    const client = await open();
    client.socket.end();
    expect(await client.rest()).toEqual([]);
  });

  it('answers what came before the end', async () => {
    const client = await open();
    client.json({ type: 'ping' });
    client.socket.end();
    expect((await client.rest()).map(told)).toEqual(['answer pong']);
  });
});
