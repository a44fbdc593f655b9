/**
 * Fan-out: events of 200 bytes to many clients, of which one in a hundred does not read. The daemon's WebSockets beside
 * a plain loop of `ws` and Redis pub/sub; the clients are the same process of counting sockets for all.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { needPrograms } from '../harness/debianPackages.ts';
import { upgradeRequest } from '../harness/rawWebSocket.ts';
import { goodToken } from '../harness/socketDoorServer.ts';
import type { ConnectOrder, Order } from './fanout/clients.ts';
import { eventText, type Published, type PublishOrder } from './fanout/server.ts';
import { race, report } from './race.ts';

const rounds = Number(process.env['FANOUT_ROUNDS'] ?? 3);
/** Deliveries of one round, in all. */
const deliveries = Number(process.env['FANOUT_DELIVERIES'] ?? 1_000_000);
/** Of a text of 200 bytes as WebSocket frame, and as Redis's message on the channel `c`. */
const frameBytes = 204;
const redisBytes = '*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$200\r\n'.length + 202;

interface Side {
  readonly name: string;
  readonly messageBytes: number;
  readonly hello: string;
  readonly begun: string;
  readonly port: number;
  /** @returns bytes that its process holds for clients then; NaN where it does not tell. */
  publish(events: number): Promise<number>;
}

const options = { execArgv: ['--disable-warning=MODULE_TYPELESS_PACKAGE_JSON'] };

export async function benchFanout(): Promise<void> {
  needPrograms(['redis-server'], ['redis-server']);
  const children: ChildProcess[] = [];
  const script = (name: string): string => join(import.meta.dirname, 'fanout', name);
  const keep = <C extends ChildProcess>(child: C): C => {
    children.push(child);
    return child;
  };
  try {
    for (const count of [100, 1_000]) {
      const sides = [
        await nodeSide('ours', keep(fork(script('server.ts'), ['ours'], options))),
        await nodeSide('ws, a loop of send', keep(fork(script('server.ts'), ['ws'], options))),
        await redisSide(keep),
      ];
      const contenders: { name: string; run: () => Promise<number> }[] = [];
      const held: Record<string, number> = {};
      for (const side of sides) {
        const clients = keep(fork(script('clients.ts'), [], options));
        const { port, hello, begun } = side;
        await ask(clients, { kind: 'connect', port, hello, begun, count, stalled: count / 100 }, 'connected');
        // What is said at the beginning has come by then; it is not counted.
        await delay(200);
        const events = Math.round(deliveries / count);
        contenders.push({
          name: side.name,
          async run() {
            await ask(clients, { kind: 'expect', bytes: events * side.messageBytes }, 'ready');
            const began = performance.now();
            const done = nextMessage(clients, 'done');
            const waiting = await side.publish(events);
            await done;
            const seconds = (performance.now() - began) / 1_000;
            const line = `${side.name}: bytes for each stalled client`;
            held[line] = Math.max(held[line] ?? 0, Math.round(waiting / (count / 100)));
            return ((count - count / 100) * events) / seconds;
          },
        });
      }
      await race(
        {
          title: `fan-out of 200 bytes to ${count} clients, 1 % stalled`,
          unit: 'deliveries/s to those that read',
          better: 'higher',
          rounds,
          target: { 'ws, a loop of send': 5, 'Redis pub/sub': 1 },
        },
        contenders,
      );
      report(`held by the server's process after a round at most, ${count} clients`, held);
      for (const child of children.splice(0)) child.kill('SIGKILL');
    }
  } finally {
    for (const child of children) child.kill('SIGKILL');
  }
}

async function nodeSide(name: string, child: ChildProcess): Promise<Side> {
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return {
    name,
    port,
    messageBytes: frameBytes,
    hello: upgradeRequest(port, { token: goodToken }),
    begun: '"healthy":true',
    async publish(events) {
      const order: PublishOrder = { kind: 'publish', events };
      child.send(order);
      const [{ waitingBytes }] = (await once(child, 'message')) as [Published];
      return waitingBytes;
    },
  };
}

async function redisSide(keep: (child: ChildProcess) => ChildProcess): Promise<Side> {
  const port = await freePort();
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  keep(spawn('redis-server', settings, { stdio: ['ignore', 'ignore', 'inherit'] }));
  let publisher: Socket | undefined;
  for (let attempt = 0; publisher === undefined && attempt < 100; attempt += 1) {
    const socket = connect(port, '127.0.0.1');
    publisher = await Promise.race([
      once(socket, 'connect').then(() => socket),
      once(socket, 'error').then(() => undefined),
    ]).catch(() => undefined);
    if (publisher === undefined) await delay(50);
  }
  if (publisher === undefined) throw new Error('redis-server did not start');
  const socket = publisher;
  socket.resume();
  return {
    name: 'Redis pub/sub',
    port,
    messageBytes: redisBytes,
    hello: '*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nc\r\n',
    begun: ':1\r\n',
    async publish(events) {
      for (let seq = 0; seq < events; ) {
        const parts: string[] = [];
        for (let turn = 0; turn < 64 && seq < events; turn += 1, seq += 1) {
          parts.push(`*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$200\r\n${eventText(seq)}\r\n`);
        }
        if (!socket.write(parts.join(''))) await once(socket, 'drain');
      }
      return Number.NaN;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function nextMessage(child: ChildProcess, wanted: string): Promise<void> {
  return new Promise((resolve) => {
    const listen = (message: unknown): void => {
      if (message !== wanted) return;
      child.off('message', listen);
      resolve();
    };
    child.on('message', listen);
  });
}

async function ask(child: ChildProcess, order: Order | ConnectOrder, answer: string): Promise<void> {
  const answered = nextMessage(child, answer);
  child.send(order);
  await answered;
}
