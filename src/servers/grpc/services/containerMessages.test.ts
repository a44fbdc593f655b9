import { expect, it } from 'vitest';
import type { Container } from '../../../core/containers/container.ts';
import { Health, Status } from '../../../protocol/gen/common/v1/common.ts';
import {
  ContainerConfig,
  ContainerState,
  MountType,
} from '../../../protocol/gen/orchestrator/v1/orchestrator.ts';
import {
  containerConfigOf,
  containerMessage,
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

const container: Container = {
  id: 'c',
  name: 'n',
  image: 'python:3.11',
  state: 'exited',
  health: 'unhealthy',
  sessionId: 's',
  config: containerConfigOf(config),
  createdAt: 1_000,
  exitCode: 3,
};

it('a container keeps its whole configuration on the way', () => {
  expect(containerMessage(container)).toMatchObject({
    config,
    exitCode: 3,
    status: Status.STATUS_ERROR,
    health: Health.HEALTH_UNHEALTHY,
    startedAt: undefined,
  });
  expect(containerMessage({ ...container, exitCode: 0 }).status).toBe(Status.STATUS_STOPPED);
});

it('every state of the wire but the first has a word, and comes back', () => {
  for (const state of Object.values(ContainerState)) {
    const word = containerStateOf(state);
    if (state === ContainerState.CONTAINER_STATE_UNSPECIFIED) expect(word).toBeUndefined();
    else expect(containerStateMessage(word!)).toBe(state);
  }
});

it('a mount needs a type', () => {
  const untyped = ContainerConfig.fromPartial({ mounts: [{ source: '/a', target: '/b' }] });
  expect(() => containerConfigOf(untyped)).toThrow('type of a mount is required');
});
