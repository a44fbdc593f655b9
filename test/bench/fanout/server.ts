/**
 * A server that publishes, in a process of its own: `ours` is the daemon's door with a log behind it, `ws` a loop of
 * `client.send`. Told over IPC how many events of 200 bytes to publish.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import type { FrameBatch, ClientLink } from '../../../src/servers/daemon/clientLink.ts';
import { serveDoor } from '../../harness/socketDoorServer.ts';

export interface PublishOrder {
  readonly kind: 'publish';
  readonly events: number;
}

/** Events that are published in one turn, as they come from a core that is busy. */
const burst = 64;
const eventBytes = 200;

/** The same for every server: a frame of the daemon, 200 bytes long whatever its number. */
export function eventText(seq: number): string {
  const start = `{"type":"stream_chunk","data":{"sessionId":"s","chunk":"`;
  const end = `","metadata":{"type":"text","index":0,"taskId":"t"}},"seq":${1_000_000 + seq},"part":0}`;
  return `${start}${'x'.repeat(eventBytes - start.length - end.length)}${end}`;
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Publisher {
  readonly port: number;
  publish(events: number): Promise<void>;
  /** Bytes that this process holds for clients. */
  waitingBytes(): number;
}

/** The answer to it. */
export interface Published {
  readonly waitingBytes: number;
}

/** As the daemon's logic does it: a place in the log for each client, from which it goes on when it is drained. */
async function ours(): Promise<Publisher> {
  interface Reader {
    readonly link: ClientLink;
    next: number;
    isFull: boolean;
  }
  const log: FrameBatch[] = [];
  const readers = new Set<Reader>();
  const send = (reader: Reader): void => {
    while (!reader.isFull && reader.next < log.length) {
      const batch = log[reader.next];
      if (batch === undefined) return;
      reader.next += 1;
      reader.isFull = !reader.link.deliver(batch);
    }
  };
  const { port, door } = await serveDoor({
    // Clients that only count answer no ping.
    limits: { maxConnectionsPerCaller: 2_000, maxConnections: 2_000, pingIntervalMs: 3_600_000 },
    accept(link) {
      const reader: Reader = { link, next: log.length, isFull: false };
      readers.add(reader);
      return {
        handle: () => undefined,
        drained() {
          reader.isFull = false;
          send(reader);
        },
        dispose: () => readers.delete(reader),
      };
    },
  });
  return {
    port,
    waitingBytes: () => door.figures().waitingBytes,
    async publish(events) {
      for (let seq = 0; seq < events; ) {
        for (let turn = 0; turn < burst && seq < events; turn += 1, seq += 1) {
          log.push({ frames: [JSON.parse(eventText(seq)) as FrameBatch['frames'][number]] });
          for (const reader of readers) send(reader);
        }
        await nextTurn();
      }
    },
  };
}

async function plain(): Promise<Publisher> {
  const server = createServer();
  const sockets = new WebSocketServer({ server, perMessageDeflate: false });
  sockets.on('connection', (socket) => {
    socket.on('error', () => undefined);
    // What the door says too, so that clients know that they are in.
    socket.send('{"healthy":true}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    waitingBytes: () => [...sockets.clients].reduce((sum, { bufferedAmount }) => sum + bufferedAmount, 0),
    async publish(events) {
      for (let seq = 0; seq < events; ) {
        for (let turn = 0; turn < burst && seq < events; turn += 1, seq += 1) {
          const event = JSON.stringify(JSON.parse(eventText(seq)));
          for (const client of sockets.clients) client.send(event);
        }
        await nextTurn();
      }
    },
  };
}

if (process.argv[2] !== undefined) {
  const publisher = process.argv[2] === 'ours' ? await ours() : await plain();
  process.on('message', ({ events }: PublishOrder) => {
    void publisher.publish(events).then(() => {
      const published: Published = { waitingBytes: publisher.waitingBytes() };
      process.send?.(published);
    });
  });
  process.send?.({ kind: 'port', port: publisher.port });
}
