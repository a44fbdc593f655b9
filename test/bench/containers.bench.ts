import { connect } from 'node:net';
import type { ContainerEngine } from '../../src/core/ports/containerEngine.ts';
import { ContainerCore } from '../harness/containerCore.ts';
import { TestEngine } from '../harness/dockerEngine.ts';
import { engineSpec } from '../harness/engineClients.ts';
import { race } from './race.ts';

const megabytes = 100;

/** Output through attach, against a bare socket that does nothing with what it reads. */
export async function benchContainers(): Promise<void> {
  await using engine = await TestEngine.start();
  await using fixture = new ContainerCore(engine.client());
  await fixture.start();
  const { id: sessionId } = await fixture.session();
  const bytes = megabytes * 1_000_000;
  const script = `yes 'a line of output that a program prints, of some sixty characters' | head -c ${bytes}`;

  await race(
    {
      title: `container output: ${megabytes} MB of lines through attach`,
      unit: 'MB/s',
      better: 'higher',
      rounds: 5,
      target: { 'bare socket': 0.9 },
    },
    [
      {
        name: 'core, recorded on disk',
        run: async () => {
          const { containers } = fixture.core;
          const { id } = await fixture.create(sessionId, script);
          const lastByte = containers.output.follow(id, { from: bytes - 1, follows: true }).next();
          const startMs = performance.now();
          await containers.start(id);
          await lastByte;
          const seconds = (performance.now() - startMs) / 1_000;
          await containers.waitForExit(id);
          const recorded = containers.output.end(id);
          if (recorded !== bytes) throw new Error(`${recorded} of ${bytes} bytes were recorded.`);
          await containers.remove(id);
          return megabytes / seconds;
        },
      },
      {
        name: 'bare socket',
        run: async () => {
          const { id, seconds, received } = await bareRun(engine, fixture.engine, script);
          if (received < bytes) throw new Error(`${received} of ${bytes} bytes arrived.`);
          await fixture.engine.removeContainer(id);
          return megabytes / seconds;
        },
      },
    ],
  );
  await fixture.core.sessions.close(sessionId);
}

/** Made and started as ours are, but read by a socket that only counts, to its end. */
async function bareRun(
  engine: TestEngine,
  client: ContainerEngine,
  script: string,
): Promise<{ id: string; seconds: number; received: number }> {
  const { id } = await client.createContainer(
    // As the core does it where nothing more is asked.
    engineSpec(['sh', '-c', script], {
      resources: { nanoCpus: 0, memoryBytes: 2 ** 31, memorySwap: 2 ** 31, pidsLimit: 512 },
    }),
  );
  const socket = connect(engine.socketPath);
  let received = 0;
  let head = '';
  const attached = Promise.withResolvers<void>();
  const finished = Promise.withResolvers<void>();
  socket.on('data', (data) => {
    if (head.includes('\r\n\r\n')) received += data.length;
    else {
      head += data.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      received += head.length - head.indexOf('\r\n\r\n') - 4;
      attached.resolve();
    }
  });
  socket.on('close', () => finished.resolve());
  socket.write(
    `POST /containers/${id}/attach?stream=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: engine\r\n` +
      'Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n',
  );
  await attached.promise;
  const startMs = performance.now();
  await client.startContainer(id);
  await finished.promise;
  const seconds = (performance.now() - startMs) / 1_000;
  socket.destroy();
  return { id, seconds, received };
}
