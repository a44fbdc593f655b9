import { spawn } from 'node:child_process';
import Dockerode from 'dockerode';
import { ContainerCore } from '../harness/containerCore.ts';
import { TestEngine } from '../harness/dockerEngine.ts';
import { waitUntil } from '../harness/processes.ts';
import { testImage } from '../harness/testImage.ts';
import { raceSeveral } from './race.ts';

const rounds = 30;
const command = ['echo', 'hello'];

/** From the request for a container to the first byte that it prints: ours, made anew and warm, and without us. */
export async function benchContainerStarts(): Promise<void> {
  await using engine = await TestEngine.start();
  await using fixture = new ContainerCore(engine.client(), { limits: { warmContainers: 1 } });
  const { containers, sessions } = await fixture.start();
  const session = await fixture.session();
  const docker = new Dockerode({ socketPath: engine.socketPath });

  const ours = async (isWarmable: boolean): Promise<number> => {
    const first = Promise.withResolvers<number>();
    const startMs = performance.now();
    const subscription = containers.output.onDidRecord(() => first.resolve(performance.now() - startMs));
    const made = await containers.run({ sessionId: session.id, image: testImage, command, isWarmable });
    const ms = await first.promise;
    subscription.dispose();
    if ((made.config.isWarm === true) !== isWarmable) throw new Error('Not what was to be measured.');
    await containers.waitForExit(made.id);
    await containers.remove(made.id);
    return ms;
  };
  const bare = async (options: Dockerode.ContainerCreateOptions): Promise<number> => {
    const startMs = performance.now();
    const container = await docker.createContainer({ Image: testImage, Cmd: command, ...options });
    const stream = await container.attach({ stream: true, stdout: true, stderr: true, hijack: true });
    const first = new Promise<number>((resolve) => {
      stream.once('data', () => resolve(performance.now() - startMs));
    });
    await container.start();
    const ms = await first;
    await container.wait();
    await container.remove();
    return ms;
  };

  // Peers do the same work: the same limits, rights and log.
  const model = await fixture.create(session.id, 'true');
  const { HostConfig: sameHost } = await docker.getContainer(model.id).inspect();
  await containers.remove(model.id);
  const filled = (): Promise<unknown> => waitUntil('one waits', () => containers.warm.size === 1);
  await containers.run({ sessionId: session.id, image: testImage, command, isWarmable: true });
  await filled();
  await raceSeveral(
    {
      title: `container: request to first output, ${rounds} times each, no network`,
      unit: 'ms',
      better: 'lower',
      rounds,
      ratios: [
        { of: 'ours, cold', to: 'engine API, bare', target: 1.05 },
        { of: 'ours, warm', to: 'docker run', target: 0.25 },
      ],
    },
    [
      { name: 'ours, cold', run: () => ours(false) },
      { name: 'engine API, bare', run: () => bare({ HostConfig: sameHost }) },
      {
        name: 'engine API, its defaults',
        run: () => bare({ HostConfig: { NetworkMode: 'none', LogConfig: { Type: 'local', Config: {} } } }),
      },
      {
        name: 'ours, warm',
        run: async () => {
          const ms = await ours(true);
          // The making of the next one must not slow whoever comes after.
          await filled();
          return ms;
        },
      },
      { name: 'docker run', run: () => dockerRun(engine.address) },
    ],
  );
  await sessions.close(session.id);
}

function dockerRun(address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const startMs = performance.now();
    let ms: number | undefined;
    const args = ['--host', address, 'run', '--rm', '--network', 'none', testImage, ...command];
    const child = spawn('docker', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    child.stdout.once('data', () => (ms = performance.now() - startMs));
    child.once('error', reject);
    child.once('close', (code) => {
      if (ms === undefined || code !== 0) reject(new Error(`docker run ended with ${String(code)}`));
      else resolve(ms);
    });
  });
}
