import { AsyncQueue } from '../../../base/asyncQueue.ts';
import type { Container } from '../../../core/containers/container.ts';
import { isImageAllowed } from '../../../core/containers/containerSpec.ts';
import type { Orchestrator } from '../../../core/orchestrator.ts';
import type { ResourceUsage } from '../../../core/resources.ts';
import { isSessionOpen, type Session } from '../../../core/sessions/session.ts';
import { permissionDenied } from '../../../core/terminals/owners.ts';
import {
  type BuildImageResponse,
  ContainerServiceDefinition,
  type ContainerState,
  type ImportImageResponse,
  type PullImageResponse,
  type WatchUsageResponse,
} from '../../../protocol/gen/container/v1/container.ts';
import { containerStates } from '../../../protocol/containerWords.ts';
import { type CallContext, implement, type ServiceImplementation } from '../rpcHandlers.ts';
import { wordOf } from './commonMessages.ts';
import { execInContainer } from './containerExec.ts';
import {
  containerRecord,
  createRequestOf,
  engineRecord,
  exitRecord,
  imageRecord,
  outputRecord,
  progressRecord,
} from './containerRecords.ts';
import { watchContainers } from './containerWatch.ts';
import { imageTask } from './imageTask.ts';
import { checkMayChange } from './sessionView.ts';
import { given } from '../../../protocol/given.ts';
import { invalidRequest } from '../../../core/text.ts';
import { required } from './values.ts';

/**
 * Containers over gRPC: what `ContainerManager` does, with the caller's rights. An agent changes only what is in
 * sessions that it owns, and allows itself nothing beyond their policy; everyone may look.
 */
export function containerService(orchestrator: Orchestrator): ServiceImplementation {
  const { containers, sessions } = orchestrator;
  const { images, resources, output } = containers;

  const find = (id: string): Container => containers.get(required(id, 'container_id'));
  const findOwnSession = (id: string, call: CallContext): Session => {
    const session = sessions.get(required(id, 'session_id'));
    checkMayChange(session, call);
    return session;
  };
  /** The id of a container whose session the caller may change. */
  const findOwn = (containerId: string, call: CallContext): string => {
    const { id, sessionId } = find(containerId);
    const session = sessions.find(sessionId);
    if (session !== undefined) checkMayChange(session, call);
    return id;
  };
  const answer = async (change: Promise<Container>) => ({ container: containerRecord(await change) });
  const checkPerson = ({ principal }: CallContext, what: string): void => {
    if (principal !== null) throw permissionDenied(principal, what);
  };
  /** An agent fills the machine's disk only with what it may use. */
  const checkMayPull = (image: string, sessionId: string, call: CallContext): void => {
    if (call.principal === null && sessionId === '') return;
    const session = findOwnSession(sessionId, call);
    if (isSessionOpen(session) && isImageAllowed(image, session.config.allowedImages)) return;
    throw permissionDenied(call.principal, `the image ${image} by session ${session.id}`);
  };

  return implement(ContainerServiceDefinition, {
    getEngine: async () => ({ engine: engineRecord(await containers.ready()) }),

    createContainer: (request, call) => {
      findOwnSession(request.sessionId, call);
      if (request.allow !== undefined) checkPerson(call, 'what its session does not allow');
      const wanted = createRequestOf(request);
      return answer(request.isStarted ? containers.run(wanted) : containers.create(wanted));
    },
    getContainer: ({ containerId }) => ({ container: containerRecord(find(containerId)) }),
    listContainers: ({ sessionId, state, labels }) => ({
      containers: containers
        .list({ sessionId: given(sessionId), state: stateOf(state), labels })
        .map(containerRecord),
    }),
    watchContainers: (request, call) => watchContainers(orchestrator, request, call),
    startContainer: ({ containerId }, call) => answer(containers.start(findOwn(containerId, call))),
    stopContainer: ({ containerId, graceMs }, call) =>
      answer(containers.stop(findOwn(containerId, call), { graceMs })),
    restartContainer: ({ containerId, graceMs }, call) =>
      answer(containers.restart(findOwn(containerId, call), { graceMs })),
    killContainer: ({ containerId, signal }, call) =>
      answer(containers.kill(findOwn(containerId, call), given(signal))),
    pauseContainer: ({ containerId }, call) => answer(containers.pause(findOwn(containerId, call))),
    unpauseContainer: ({ containerId }, call) => answer(containers.unpause(findOwn(containerId, call))),
    removeContainer: async ({ containerId, isForced }, call) => {
      await containers.remove(findOwn(containerId, call), { force: isForced });
      return {};
    },
    waitForExit: async ({ containerId }, { signal }) => ({
      exit: exitRecord(await containers.waitForExit(find(containerId).id, signal)),
    }),
    inspectContainer: async ({ containerId }) => ({
      details: recordOf(await containers.inspect(containerId)),
    }),
    readLogs: async function* ({ containerId, from, sinceTime, lines, follows }, { signal }) {
      const options = { from, since: sinceTime?.getTime(), lines, follows, signal };
      for await (const piece of output.follow(find(containerId).id, options)) yield outputRecord(piece);
    },
    writeInput: async ({ containerId, data }, call) => {
      await containers.write(findOwn(containerId, call), data);
      return {};
    },
    resizeContainer: async ({ containerId, cols, rows }, call) => {
      await containers.resize(findOwn(containerId, call), cols, rows);
      return {};
    },
    exec: (requests, call) => execInContainer(containers, findOwn, requests, call),
    getUsage: async ({ containerId }) => ({ usage: await containers.usage(find(containerId).id) }),
    watchUsage: ({ containerId }, call) => watchUsage(orchestrator, find(containerId).id, call),

    listImages: async () => ({ images: (await images.list()).map(imageRecord) }),
    pullImage: (request, call) => {
      checkMayPull(request.image, request.sessionId, call);
      return imageTask<PullImageResponse>(
        call,
        (progress) => ({ progress: progressRecord(progress) }),
        async (options) => {
          await images.pull(request.image, options);
          return undefined;
        },
      );
    },
    buildImage: ({ sessionId, folder, dockerfile, tag, buildArgs }, call) => {
      findOwnSession(sessionId, call);
      const wanted = { sessionId, folder: given(folder), dockerfile: given(dockerfile), tag, buildArgs };
      return imageTask<BuildImageResponse>(
        call,
        (progress) => ({ payload: { $case: 'progress', value: progressRecord(progress) } }),
        async (options) => ({
          payload: { $case: 'imageId', value: await images.build({ ...wanted, ...options }) },
        }),
      );
    },
    importImage: ({ sessionId, path, tag, isChosen }, call) => {
      findOwnSession(sessionId, call);
      if (isChosen) checkPerson(call, 'files outside of its session');
      return imageTask<ImportImageResponse>(
        call,
        (progress) => ({ payload: { $case: 'progress', value: progressRecord(progress) } }),
        async (options) => ({
          payload: {
            $case: 'imageId',
            value: await images.import({ sessionId, path, tag, isChosen, ...options }),
          },
        }),
      );
    },
    removeImage: async ({ image }, call) => {
      checkPerson(call, `the image ${image}`);
      await images.remove(image);
      return {};
    },

    createNetwork: async ({ sessionId, name, isInternal }, call) => {
      const { id } = findOwnSession(sessionId, call);
      const network = await resources.createNetwork(id, name, { isInternal });
      return { network: { ...network, gateway: network.gateway ?? '' } };
    },
    listNetworks: async ({ sessionId }) => {
      const networks = await resources.networks(sessions.get(required(sessionId, 'session_id')).id);
      return { networks: networks.map((network) => ({ ...network, gateway: network.gateway ?? '' })) };
    },
    removeNetwork: async ({ sessionId, name }, call) => {
      await resources.removeNetwork(findOwnSession(sessionId, call).id, name);
      return {};
    },
    createVolume: async ({ sessionId, name }, call) => ({
      volume: await resources.createVolume(findOwnSession(sessionId, call).id, name),
    }),
    listVolumes: async ({ sessionId }) => ({
      volumes: await resources.volumes(sessions.get(required(sessionId, 'session_id')).id),
    }),
    removeVolume: async ({ sessionId, name }, call) => {
      await resources.removeVolume(findOwnSession(sessionId, call).id, name);
      return {};
    },
  });
}

function stateOf(message: ContainerState): Container['state'] | undefined {
  return wordOf(containerStates, message, 'state');
}

/** The engine answers with an object; anything else would be no answer of one. */
function recordOf(details: unknown): Record<string, unknown> {
  if (typeof details === 'object' && details !== null) return { ...details };
  throw invalidRequest('The engine tells nothing of it.');
}

/** Until the client leaves or the container has ended. A measurement that nobody read in its second is left out. */
async function* watchUsage(
  { containers }: Orchestrator,
  id: string,
  { signal }: CallContext,
): AsyncGenerator<WatchUsageResponse, void, undefined> {
  const queue = new AsyncQueue<undefined>();
  let newest: ResourceUsage | undefined;
  const watch = await containers.watchUsage(id, (usage) => {
    if (newest === undefined) queue.push(undefined);
    newest = usage;
  });
  const stop = new AbortController();
  const end = (): void => queue.end();
  signal.addEventListener('abort', end);
  containers.waitForExit(id, stop.signal).then(end, end);
  try {
    for await (const _ of queue) {
      const usage = newest;
      newest = undefined;
      if (usage !== undefined) yield { usage };
    }
  } finally {
    signal.removeEventListener('abort', end);
    stop.abort();
    watch.dispose();
  }
}
