import type { ServiceError } from '@grpc/grpc-js';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { GrpcClient } from '../../src/clients/grpc/grpcClient.ts';
import type { RpcClient } from '../../src/clients/grpc/rpcClient.ts';
import {
  CreateSessionRequest,
  type Event,
  EventFilter,
  Message,
  OrchestratorServiceDefinition,
} from '../../src/protocol/gen/orchestrator/v1/orchestrator.ts';
import { iterate } from '../harness/servedCore.ts';

const sessions = 500;
const agents = 50;
const subscribers = 1_000;
/** One in a hundred reads nothing. */
const stalled = 10;
/** These hear of everything, the others of one session each. */
const listeningToAll = 20;
const connections = 10;
const piecesPerTask = 24;
const messagesPerSession = 3;
/** Of the last message of all in each session: who has come to it has read everything before it. */
const lastId = 'last';
/** What the log holds before the subscriptions begin. */
const begun = agents + sessions;

let server: ChildProcess;
let lines: Interface;
let socketPath: string;
let clients: GrpcClient[];

beforeEach(async () => {
  server = spawn(
    process.execPath,
    [
      '--disable-warning=MODULE_TYPELESS_PACKAGE_JSON',
      '--expose-gc',
      join(import.meta.dirname, 'scaleServer.ts'),
      String(agents),
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  lines = createInterface(server.stdout!);
  clients = [];
  [socketPath = ''] = await said('ready');
});
afterEach(async () => {
  for (const client of clients) client.close();
  server.stdin!.end();
  if (server.exitCode === null) await once(server, 'exit');
});

async function said(word: string): Promise<string[]> {
  for (;;) {
    const [line] = (await once(lines, 'line')) as [string];
    const [first, ...rest] = line.split(' ');
    if (first === word) return rest;
  }
}

async function bytesInUse(): Promise<number> {
  const bytes = said('bytes');
  server.stdin!.write('\n');
  return Number((await bytes)[0]);
}

/** A connection of its own. */
async function connect(): Promise<RpcClient<typeof OrchestratorServiceDefinition>> {
  const client = new GrpcClient(socketPath, { dialTimeoutMs: 30_000, rpcTimeoutMs: 30_000 });
  clients.push(client);
  await client.dial();
  return client.service(OrchestratorServiceDefinition);
}

function memoryOf(field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${server.pid}/status`, 'utf8');
  return Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1024;
}

const sequenceOf = (event: Event): number => Number(event.data['sequence']);

/** Reads until the last message of so many sessions, and keeps what comes. */
async function readAll(stream: AsyncIterator<Event>, count: number, into: Event[] = []): Promise<Event[]> {
  for (let left = count; left > 0; ) {
    const next = await stream.next();
    if (next.done === true) throw new Error(`The stream ended after ${into.length} events.`);
    into.push(next.value);
    if (next.value.data['message_id'] === lastId) left -= 1;
  }
  return into;
}

it('a thousand subscribers lose nothing to ten that do not read, and these find back', async () => {
  const services = await Promise.all(Array.from({ length: connections }, connect));
  const serviceOf = (index: number) => services[index % connections]!;
  const ids = await Promise.all(
    Array.from({ length: sessions }, async (_, index) => {
      const metadata = { name: `session ${index}` };
      return (await serviceOf(index).createSession(CreateSessionRequest.fromPartial({ metadata }))).sessionId;
    }),
  );

  const subscribe = (
    service: RpcClient<typeof OrchestratorServiceDefinition>,
    sessionId: string,
    after: number,
  ): AsyncIterator<Event> => {
    const filter = EventFilter.fromPartial({ sessionId });
    const metadata = { 'orchestrator-after-sequence': String(after) };
    return iterate(service.subscribeEvents({ filter }, { metadata }));
  };
  // On connections of their own: what one of them leaves unread fills the window of all of its connection.
  const stalledStreams = await Promise.all(
    Array.from({ length: stalled }, async () => subscribe(await connect(), '', begun)),
  );
  const stalledFirst = stalledStreams.map((stream) => stream.next());
  const readers = Array.from({ length: subscribers - stalled }, (_, index) => {
    const sessionId = index < listeningToAll ? '' : ids[index % sessions]!;
    return { sessionId, stream: subscribe(serviceOf(index), sessionId, begun) };
  });
  const reading = Promise.allSettled(
    readers.map(async ({ sessionId, stream }) => {
      const events = await readAll(stream, sessionId === '' ? sessions : 1);
      return { sessionId, sequences: events.map(sequenceOf) };
    }),
  );
  await Promise.all(services.map((service) => service.getStatus({})));
  const before = memoryOf('VmRSS');
  const bytesBefore = await bytesInUse();

  const done = said('done');
  server.stdin!.write(`${JSON.stringify({ sessionIds: ids, pieces: piecesPerTask })}\n`);
  const send = async (index: number): Promise<void> => {
    for (let count = 0; count < messagesPerSession; count += 1) {
      const message = Message.fromPartial({ content: `message ${count} ${'x'.repeat(40)}` });
      await serviceOf(index).sendMessage({ sessionId: ids[index]!, message });
    }
  };
  const queue = [...ids.keys()];
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      for (let index = queue.shift(); index !== undefined; index = queue.shift()) await send(index);
    }),
  );
  await done;
  await Promise.all(
    ids.map((sessionId, index) =>
      serviceOf(index).sendMessage({ sessionId, message: Message.fromPartial({ id: lastId }) }),
    ),
  );

  // What is true: all of it, read once more from the beginning.
  const truth = await readAll(subscribe(await connect(), '', begun), sessions);
  expect(truth.map(sequenceOf)).toEqual(truth.map((_event, index) => begun + 1 + index));
  expect(truth.length).toBeGreaterThan(15_000);
  const bySession = Map.groupBy(truth, ({ metadata }) => metadata!.sessionId);
  const wanted = (sessionId: string): number[] =>
    (sessionId === '' ? truth : bySession.get(sessionId)!).map(sequenceOf);
  for (const read of await reading) {
    if (read.status === 'rejected') throw read.reason;
    expect(read.value.sequences).toEqual(wanted(read.value.sessionId));
  }

  /*
   * Of what is not read the server keeps at most a quarter of a mebibyte for each of the ten, and what the transport
   * holds; kept whole for each, it would be some 50 MB. The peak of the process is mostly what was not collected yet.
   */
  const kept = ((await bytesInUse()) - bytesBefore) / 2 ** 20;
  const grown = memoryOf('VmHWM') - before;
  console.log(
    `${truth.length} events: ${kept.toFixed(1)} MiB kept, peak ${grown.toFixed(0)} MiB over ${before.toFixed(0)}`,
  );
  expect(kept).toBeLessThan(10);
  expect(grown).toBeLessThan(500);

  const findBack = async (stream: AsyncIterator<Event>, first: IteratorResult<Event>): Promise<void> => {
    const events = [first.value as Event];
    const error = await readAll(stream, sessions, events).catch((failure: unknown) => failure);
    expect(error).toMatchObject({ code: 'RESOURCE_EXHAUSTED', reason: 'events_missed' });
    const { metadata } = (error as { cause: ServiceError }).cause;
    const resumeAfter = Number(metadata.get('orchestrator-resume-after')[0]);
    expect(resumeAfter).toBe(sequenceOf(events.at(-1)!));
    await readAll(subscribe(serviceOf(0), '', resumeAfter), sessions, events);
    expect(events.map(sequenceOf)).toEqual(wanted(''));
  };
  await Promise.all(
    stalledStreams.map(async (stream, index) => findBack(stream, await stalledFirst[index]!)),
  );
}, 150_000);
