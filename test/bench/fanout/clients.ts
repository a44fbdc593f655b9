/**
 * Clients that only count bytes, in a process of their own: the same work for every kind of server. Told over IPC to
 * connect so many, of which some do not read; counts what those that read have got.
 */
import { connect, type Socket } from 'node:net';

export interface ConnectOrder {
  readonly kind: 'connect';
  readonly port: number;
  readonly count: number;
  readonly stalled: number;
  /** What each sends first. */
  readonly hello: string;
  /** With which its beginning ends, e.g. an empty line. */
  readonly begun: string;
}

/** From now on each is to get so many bytes; `done` says when all have. */
export interface ExpectOrder {
  readonly kind: 'expect';
  readonly bytes: number;
}

export type Order = ConnectOrder | ExpectOrder | { readonly kind: 'close' };

interface Client {
  readonly socket: Socket;
  got: number;
}

let clients: Client[] = [];
let all: Socket[] = [];
let left = 0;
let expected = Number.POSITIVE_INFINITY;

process.on('message', (order: Order) => {
  if (order.kind === 'connect') void open(order).then(() => process.send?.('connected'));
  else if (order.kind === 'close') close();
  else {
    left = clients.length;
    expected = order.bytes;
    for (const client of clients) client.got = 0;
    process.send?.('ready');
  }
});

async function open({ port, count, stalled, hello, begun }: ConnectOrder): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    const isStalled = index < stalled;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const client: Client = { socket: undefined as never, got: 0 };
    let head: string | undefined = '';
    const socket = connect({
      port,
      host: '127.0.0.1',
      // One buffer for all: what comes is only counted.
      onread: {
        buffer,
        callback(length, bytes) {
          if (head === undefined) {
            client.got += length;
            if (client.got >= expected && client.got - length < expected) finishOne();
            return true;
          }
          head += Buffer.from(bytes.buffer, bytes.byteOffset, length).toString('latin1');
          if (!head.includes(begun)) return true;
          head = undefined;
          resolve(undefined);
          return !isStalled;
        },
      },
    });
    socket.on('error', () => undefined);
    socket.write(hello);
    await promise;
    all.push(socket);
    if (!isStalled) clients.push(Object.assign(client, { socket }));
  }
}

function finishOne(): void {
  left -= 1;
  if (left === 0) process.send?.('done');
}

function close(): void {
  for (const socket of all) socket.destroy();
  all = [];
  clients = [];
  process.send?.('closed');
}

const buffer = Buffer.alloc(256 * 1024);
