import { homedir } from 'node:os';
import type { Readable } from 'node:stream';
import type Dockerode from 'dockerode';
import type { Disposable } from '../../base/disposable.ts';
import { Emitter } from '../../base/emitter.ts';
import type { Logger } from '../../base/logger.ts';
import type {
  ContainerEngine,
  EngineContainer,
  EngineEventSink,
  EngineImage,
  EngineInfo,
} from '../../core/ports/containerEngine.ts';
import { containerOf, createOptions, summaryOf, usageOf } from './containerShapes.ts';
import { type ConnectedEngine, EngineFinder } from './engineFinder.ts';
import { brokenOff, engineError, engineWords, isUnreachable, statusOf } from './engineErrors.ts';
import { initializeEngine } from './engineSetup.ts';
import { detachKeys, inputOf, startExec } from './execs.ts';
import { buildImage, importImage, pullImage } from './imageTasks.ts';
import { eachJsonLine } from './jsonLines.ts';
import { pumpOutput } from './outputPump.ts';
import { duplexOf, readableOf } from './streams.ts';

export interface DockerEngineOptions {
  /** The address that the person has set; read anew with each search. Found as `docker` finds it when empty. */
  readonly address?: (() => string | undefined) | undefined;
  /** Where DOCKER_HOST and its like are read; process.env when missing. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly home?: string | undefined;
  readonly logger: Logger;
}

/** An engine that speaks the Docker Engine API. Nothing is loaded and nothing is connected before the first call. */
export function createDockerEngine(options: DockerEngineOptions): ContainerEngine {
  const { logger, env = process.env, home = homedir() } = options;
  const changed = new Emitter<EngineInfo | undefined>((error) => {
    logger.error('A listener of the container engine failed', error);
  });
  const finder = new EngineFinder(
    () => ({ setting: options.address?.(), env, home, platform: process.platform }),
    (info) => changed.fire(info),
  );

  /** Every call goes through here: it finds the engine, and says what it could not do. */
  const call = async <T>(
    doing: string,
    action: (docker: Dockerode, engine: ConnectedEngine) => Promise<T>,
  ): Promise<T> => {
    const engine = await finder.connect();
    try {
      return await engine.calls.untilLost(action(engine.docker, engine));
    } catch (error) {
      // One that hangs up on one call goes on with the others.
      if (isUnreachable(error) && !(await finder.isGone(engine))) throw brokenOff(error, doing);
      throw engineError(error, doing);
    }
  };
  const unless = async (status: readonly number[], action: () => Promise<unknown>): Promise<void> => {
    try {
      await action();
    } catch (error) {
      if (!status.includes(statusOf(error) ?? 0)) throw error;
    }
  };
  const inspect = async (docker: Dockerode, id: string): Promise<EngineContainer | undefined> => {
    try {
      return containerOf(await docker.getContainer(id).inspect());
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw error;
    }
  };

  return {
    get info() {
      return finder.info;
    },
    onDidChangeInfo: changed.event,
    probe: () => finder.probe(),
    initialize: (initializeOptions) =>
      initializeEngine(finder, env, initializeOptions).catch((error: unknown) => {
        throw engineError(error, 'make a container engine ready');
      }),

    createContainer: (spec) =>
      call(`create the container ${spec.name}`, async (docker, { info }) => {
        const container = await docker.createContainer(createOptions(spec, info.kind));
        // dockerode types only the id of what it answers with.
        const { Warnings: warnings } = container as unknown as { Warnings?: string[] | null };
        try {
          for (const network of spec.networks) {
            await docker.getNetwork(network).connect({ Container: container.id });
          }
        } catch (error) {
          await container.remove({ force: true, v: true });
          throw error;
        }
        return { id: container.id, warnings: warnings ?? [] };
      }),
    startContainer: (id) =>
      call('start the container', (docker) => unless([304], () => docker.getContainer(id).start())),
    stopContainer: (id, graceMs) =>
      call('stop the container', (docker) =>
        unless([304], () => docker.getContainer(id).stop({ t: Math.ceil(graceMs / 1_000) })),
      ),
    killContainer: (id, signal) =>
      call('kill the container', (docker) => docker.getContainer(id).kill({ signal })),
    pauseContainer: (id) => call('pause the container', (docker) => docker.getContainer(id).pause()),
    unpauseContainer: (id) => call('unpause the container', (docker) => docker.getContainer(id).unpause()),
    removeContainer: (id) =>
      call('remove the container', async (docker) => {
        const container = docker.getContainer(id);
        try {
          await unless([404], () => container.remove({ force: true, v: true }));
        } catch (error) {
          if (!/already in progress/.test(engineWords(error))) throw error;
          await unless([404], () => container.wait({ condition: 'removed' }));
        }
      }),
    resizeContainer: (id, cols, rows) =>
      call('resize the container', (docker) => docker.getContainer(id).resize({ h: rows, w: cols })),
    inspectContainer: (id) => call('inspect the container', (docker) => inspect(docker, id)),
    inspectRaw: (id) =>
      call('inspect the container', async (docker) => {
        const info = await docker.getContainer(id).inspect();
        // Values may be secrets, and this is shown.
        const env = (info.Config.Env as string[] | null) ?? [];
        const names = env.map((entry) => entry.replace(/=.*$/s, '=…'));
        return { ...info, Config: { ...info.Config, Env: names } };
      }),
    listContainers: (labels) =>
      call('list the containers', async (docker) => {
        const all = await docker.listContainers({ all: true, filters: { label: labelFilter(labels) } });
        return all.map(summaryOf);
      }),
    attach: (id, { tty }, sink) =>
      call('attach to the container', async (docker) => {
        const stream = await docker
          .getContainer(id)
          .attach({ stream: true, stdout: true, stderr: true, hijack: true });
        return pumpOutput(duplexOf(stream), tty, sink);
      }),
    followLogs: (id, { tty }, sink) =>
      call('read the output of the container', async (docker) => {
        const stream = await docker.getContainer(id).logs({ follow: true, stdout: true, stderr: true });
        return pumpOutput(readableOf(stream), tty, sink);
      }),
    openInput: (id) =>
      call('attach to the container', async (docker) => {
        const stream = await docker
          .getContainer(id)
          .attach({ stream: true, stdin: true, hijack: true, detachKeys });
        return inputOf(duplexOf(stream));
      }),
    usage: (id) =>
      call('read what the container uses', async (docker) =>
        usageOf(await docker.getContainer(id).stats({ stream: false })),
      ),

    watchUsage: (id, onUsage) =>
      call('read what the container uses', async (docker) => {
        const stream = await docker.getContainer(id).stats({ stream: true });
        return eachJsonLine(readableOf(stream), (line) => {
          const stats = line as Dockerode.ContainerStats;
          // The first reading, and those of an ended container, have nothing to be compared with.
          if (stats.precpu_stats.system_cpu_usage > 0) onUsage(usageOf(stats));
        });
      }),

    exec: (id, spec, sink) =>
      call('run a command in the container', (docker) => startExec(docker, id, spec, sink)),

    listImages: (labels = {}) =>
      call('list the images', async (docker) => {
        const all = await docker.listImages({ filters: { label: labelFilter(labels) } });
        return all.map(
          (image): EngineImage => ({
            id: image.Id,
            // Both are null where there are none, which the types do not tell.
            tags: ((image.RepoTags as string[] | null) ?? []).filter((tag) => tag !== '<none>:<none>'),
            sizeBytes: image.Size,
            createdAt: image.Created * 1_000,
            labels: labelsOf(image.Labels),
          }),
        );
      }),
    inspectImage: (reference) =>
      call('inspect the image', async (docker) => {
        try {
          const image = await docker.getImage(reference).inspect();
          return {
            id: image.Id,
            tags: image.RepoTags,
            sizeBytes: image.Size,
            createdAt: Date.parse(image.Created),
            labels: labelsOf(image.Config.Labels),
            start: {
              entrypoint: wordsOf(image.Config.Entrypoint),
              command: wordsOf(image.Config.Cmd),
            },
          };
        } catch (error) {
          if (statusOf(error) === 404) return undefined;
          throw error;
        }
      }),
    pullImage: (reference, task = {}) =>
      call(`pull the image ${reference}`, (docker) => pullImage(docker, reference, task, { env, home })),
    buildImage: (task) =>
      call(`build the image ${task.tag}`, (docker, { heavy }) =>
        buildImage(docker, heavy, task, { env, home }),
      ),
    importImage: (task) =>
      call(`import the image ${task.tag}`, (docker, { heavy }) => importImage(docker, heavy, task)),
    removeImage: (reference) =>
      call(`remove the image ${reference}`, (docker) => docker.getImage(reference).remove()),

    createNetwork: ({ name, labels, isInternal }) =>
      call(`create the network ${name}`, async (docker) => {
        const network = await docker.createNetwork({
          Name: name,
          CheckDuplicate: true,
          Internal: isInternal,
          Labels: { ...labels },
        });
        return network.id;
      }),
    listNetworks: (labels) =>
      call('list the networks', async (docker) => {
        const all = await docker.listNetworks({ filters: { label: labelFilter(labels) } });
        return all.map((network) => ({
          id: network.Id,
          name: network.Name,
          labels: network.Labels ?? {},
          gateway: network.IPAM?.Config?.[0]?.['Gateway'],
        }));
      }),
    removeNetwork: (id) =>
      call('remove the network', (docker) => unless([404], () => docker.getNetwork(id).remove())),
    createVolume: ({ name, labels }) =>
      call(`create the volume ${name}`, async (docker) => {
        await docker.createVolume({ Name: name, Labels: { ...labels } });
      }),
    listVolumes: (labels) =>
      call('list the volumes', async (docker) => {
        const answer = await docker.listVolumes({ filters: { label: labelFilter(labels) } });
        const all = answer.Volumes as typeof answer.Volumes | null;
        return (all ?? []).map(({ Name, Labels }) => ({ name: Name, labels: Labels }));
      }),
    removeVolume: (name) =>
      call('remove the volume', (docker) => unless([404], () => docker.getVolume(name).remove())),

    watch: (label, sink) =>
      call('watch the containers', async (docker) => {
        const stream = await docker.getEvents({ filters: { type: ['container'], label: [label] } });
        return pumpEvents(readableOf(stream), sink);
      }),

    dispose: () => {
      finder.dispose();
      changed.dispose();
    },
  };
}

/** Null where there are none, which the types do not tell. */
function labelsOf(labels: Readonly<Record<string, string>> | null): Readonly<Record<string, string>> {
  return labels ?? {};
}

/** An older image may hold one word as it is. */
function wordsOf(words: string | readonly string[] | null | undefined): readonly string[] {
  return typeof words === 'string' ? [words] : (words ?? []);
}

function labelFilter(labels: Readonly<Record<string, string>>): string[] {
  return Object.entries(labels).map(([key, value]) => (value === '' ? key : `${key}=${value}`));
}

function pumpEvents(stream: Readable, sink: EngineEventSink): Disposable {
  return eachJsonLine(
    stream,
    (line) => {
      const event = line as { Action?: string; id?: string; Actor?: { ID?: string } };
      sink.onEvent({ action: event.Action ?? '', containerId: event.Actor?.ID ?? event.id ?? '' });
    },
    (error) => sink.onEnd(error),
  );
}
