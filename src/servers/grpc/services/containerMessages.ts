import { given } from '../../../protocol/given.ts';
import { invalidRequest } from '../../../core/text.ts';
import type {
  Container,
  ContainerConfig,
  ContainerMount,
  ContainerState,
} from '../../../core/containers/container.ts';
import { Health, Status } from '../../../protocol/gen/common/v1/common.ts';
import {
  type Container as ContainerMessage,
  type ContainerConfig as ContainerConfigMessage,
  ContainerState as ContainerStateMessage,
  MountType,
} from '../../../protocol/gen/orchestrator/v1/orchestrator.ts';
import { limitsMessage, limitsOf, msOfNs, nsOfMs, usageMessage, wordOf } from './commonMessages.ts';
import { dateOf, optionalDate } from './values.ts';

const states: Readonly<Record<ContainerState, ContainerStateMessage>> = {
  created: ContainerStateMessage.CONTAINER_STATE_CREATED,
  running: ContainerStateMessage.CONTAINER_STATE_RUNNING,
  paused: ContainerStateMessage.CONTAINER_STATE_PAUSED,
  restarting: ContainerStateMessage.CONTAINER_STATE_RESTARTING,
  exited: ContainerStateMessage.CONTAINER_STATE_EXITED,
  removing: ContainerStateMessage.CONTAINER_STATE_REMOVING,
  unknown: ContainerStateMessage.CONTAINER_STATE_UNKNOWN,
};

const statuses: Readonly<Record<ContainerState, Status>> = {
  created: Status.STATUS_STARTING,
  running: Status.STATUS_RUNNING,
  paused: Status.STATUS_RUNNING,
  restarting: Status.STATUS_STARTING,
  exited: Status.STATUS_STOPPED,
  removing: Status.STATUS_STOPPING,
  unknown: Status.STATUS_UNKNOWN,
};

const healths: Readonly<Record<Container['health'], Health>> = {
  unknown: Health.HEALTH_UNKNOWN,
  healthy: Health.HEALTH_HEALTHY,
  unhealthy: Health.HEALTH_UNHEALTHY,
  checking: Health.HEALTH_CHECKING,
};

const mountTypes: Readonly<Record<ContainerMount['type'], MountType>> = {
  bind: MountType.MOUNT_TYPE_BIND,
  volume: MountType.MOUNT_TYPE_VOLUME,
  tmpfs: MountType.MOUNT_TYPE_TMPFS,
};

export function containerMessage(container: Container): ContainerMessage {
  const { id, name, image, state, health, createdAt, startedAt, exitedAt, exitCode, sessionId } = container;
  return {
    id,
    name,
    image,
    state: states[state],
    status: containerStatus(container),
    health: healths[health],
    createdAt: dateOf(createdAt),
    startedAt: optionalDate(startedAt),
    exitedAt: optionalDate(exitedAt),
    exitCode: exitCode ?? 0,
    config: configMessage(container.config),
    resources: usageMessage(container.resources),
    sessionId,
  };
}

/** One that has ended with another code than 0 is an error. */
export function containerStatus({ state, exitCode = 0 }: Container): Status {
  return state === 'exited' && exitCode !== 0 ? Status.STATUS_ERROR : statuses[state];
}

export function containerStateMessage(state: ContainerState): ContainerStateMessage {
  return states[state];
}

/** Error: `invalid_request`. */
export function containerStateOf(message: ContainerStateMessage): ContainerState | undefined {
  return wordOf(states, message, 'state');
}

/** Errors: `invalid_request` for a mount without a type and for what is negative. */
export function containerConfigOf(message: ContainerConfigMessage): ContainerConfig {
  const { resources, restartPolicy, mounts, ...rest } = message;
  return {
    ...rest,
    mounts: mounts.map(({ type, ...mount }) => ({ ...mount, type: mountTypeOf(type) })),
    resources: resources && limitsOf(resources),
    restartPolicy: restartPolicy && {
      name: restartPolicy.name,
      maximumRetryCount: restartPolicy.maximumRetryCount,
      timeoutMs: given(msOfNs(restartPolicy.timeoutNs, 'timeout_ns')),
    },
  };
}

function mountTypeOf(message: MountType): ContainerMount['type'] {
  const type = wordOf(mountTypes, message, 'type of a mount');
  if (type === undefined) throw invalidRequest('type of a mount is required');
  return type;
}

function configMessage(config: ContainerConfig): ContainerConfigMessage {
  const { resources, restartPolicy, command, args, env, labels, mounts, ports, networks } = config;
  return {
    image: config.image,
    command: [...command],
    args: [...args],
    env: { ...env },
    workingDir: config.workingDir,
    labels: { ...labels },
    mounts: mounts.map((mount) => ({ ...mount, type: mountTypes[mount.type] })),
    ports: ports.map((port) => ({ ...port })),
    networkMode: config.networkMode,
    networks: [...networks],
    resources: resources && limitsMessage(resources),
    restartPolicy: restartPolicy && {
      name: restartPolicy.name,
      maximumRetryCount: restartPolicy.maximumRetryCount,
      timeoutNs: nsOfMs(restartPolicy.timeoutMs ?? 0),
    },
    readOnlyRootfs: config.readOnlyRootfs,
    removeOnStop: config.removeOnStop,
  };
}
