import { expect, it } from 'vitest';
import type { Container } from '../../../core/containers/container.ts';
import { noResourceLimits } from '../../../core/resources.ts';
import { Health, Status } from '../../../protocol/gen/common/v1/common.ts';
import {
  ContainerConfig,
  ContainerState,
  MountType,
} from '../../../protocol/gen/orchestrator/v1/orchestrator.ts';
import {
  containerMessage,
  containerRequestOf,
  containerStateMessage,
  containerStateOf,
} from './containerMessages.ts';

const config = ContainerConfig.fromPartial({
  image: 'python:3.11',
  command: ['python'],
  args: ['-u', 'script.py'],
  env: { PYTHONUNBUFFERED: '1' },
  workingDir: '/workspace',
  labels: { a: 'b' },
  mounts: [
    { type: MountType.MOUNT_TYPE_BIND, source: '/a', target: '/b', readOnly: true },
    { type: MountType.MOUNT_TYPE_VOLUME, source: 'v', target: '/c' },
    { type: MountType.MOUNT_TYPE_TMPFS, target: '/d' },
  ],
  ports: [{ containerPort: 80, hostPort: 8080, protocol: 'tcp', hostIp: '127.0.0.1' }],
  networkMode: 'bridge',
  networks: ['n'],
  resources: { nanoCpus: 500_000_000n, memoryBytes: 536_870_912n },
  restartPolicy: { name: 'on-failure', maximumRetryCount: 3, timeoutNs: 2_000_000n },
  readOnlyRootfs: true,
  removeOnStop: true,
});

const request = containerRequestOf('s', config);
const container: Container = {
  id: 'c',
  name: 'n',
  image: request.image,
  state: 'exited',
  health: 'unhealthy',
  sessionId: 's',
  config: {
    ...request,
    entrypoint: request.entrypoint ?? [],
    command: request.command ?? [],
    envNames: ['PYTHONUNBUFFERED'],
    labels: request.labels ?? {},
    mounts: request.mounts ?? [],
    ports: request.ports ?? [],
    network: request.network ?? 'none',
    networks: request.networks ?? [],
    resources: { ...noResourceLimits, ...request.resources },
    restart: request.restart ?? { name: 'no', maximumRetryCount: 0 },
    readOnlyRoot: request.readOnlyRoot === true,
    removeOnStop: request.removeOnStop === true,
    tty: false,
    openInput: false,
  },
  createdAt: 1_000,
  exit: { exitCode: 3, reason: 'exited', exitedAt: 2_000 },
  ports: [],
  addresses: {},
  warnings: [],
};

it('a container keeps its whole configuration on the way, but for what no engine knows', () => {
  expect(containerMessage(container, { PYTHONUNBUFFERED: '1' })).toMatchObject({
    config: { ...config, restartPolicy: { ...config.restartPolicy, timeoutNs: 0n } },
    exitCode: 3,
    status: Status.STATUS_ERROR,
    health: Health.HEALTH_UNHEALTHY,
    startedAt: undefined,
  });
  const exit = { exitCode: 0, reason: 'stopped', exitedAt: 2_000 } as const;
  expect(containerMessage({ ...container, exit }).status).toBe(Status.STATUS_STOPPED);
});

it('values of its environment are not told later', () => {
  expect(containerMessage(container).config?.env).toEqual({ PYTHONUNBUFFERED: '' });
});

it('every state of the wire but the first has a word, and comes back', () => {
  for (const state of Object.values(ContainerState)) {
    const word = containerStateOf(state);
    if (state === ContainerState.CONTAINER_STATE_UNSPECIFIED) expect(word).toBeUndefined();
    else expect(containerStateMessage(word!)).toBe(state);
  }
});

it.each([
  [{ mounts: [{ source: '/a', target: '/b' }] }, 'type of a mount is required'],
  [{ restartPolicy: { name: 'sometimes' } }, 'there is no restart policy "sometimes"'],
  [{ ports: [{ containerPort: 1, protocol: 'icmp' }] }, 'there is no protocol "icmp"'],
])('%j is refused', (wrong, message) => {
  expect(() => containerRequestOf('s', ContainerConfig.fromPartial(wrong))).toThrow(message);
});
