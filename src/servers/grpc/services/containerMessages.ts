import { given } from '../../../protocol/given.ts';
import { invalidRequest } from '../../../core/text.ts';
import type { Container, CreateContainerRequest } from '../../../core/containers/container.ts';
import type {
  ContainerHealth,
  ContainerMount,
  ContainerState,
  PortBinding,
  RestartPolicy,
} from '../../../core/ports/containerEngine.ts';
import { Health, Status } from '../../../protocol/gen/common/v1/common.ts';
import {
  type Container as ContainerMessage,
  type ContainerConfig as ContainerConfigMessage,
  ContainerState as ContainerStateMessage,
  MountType,
  type PortBinding as PortBindingMessage,
  type RestartPolicy as RestartPolicyMessage,
} from '../../../protocol/gen/orchestrator/v1/orchestrator.ts';
import { limitsMessage, limitsOf, usageMessage, wordOf } from './commonMessages.ts';
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

const healths: Readonly<Record<ContainerHealth, Health>> = {
  none: Health.HEALTH_UNKNOWN,
  starting: Health.HEALTH_CHECKING,
  healthy: Health.HEALTH_HEALTHY,
  unhealthy: Health.HEALTH_UNHEALTHY,
};

const mountTypes: Readonly<Record<ContainerMount['type'], MountType>> = {
  bind: MountType.MOUNT_TYPE_BIND,
  volume: MountType.MOUNT_TYPE_VOLUME,
  tmpfs: MountType.MOUNT_TYPE_TMPFS,
};

const restarts: readonly string[] = [
  'no',
  'on-failure',
  'always',
  'unless-stopped',
] satisfies RestartPolicy['name'][];

/** @param env of the container, to whoever has just sent it: later only the names are known, as values may be secrets. */
export function containerMessage(
  container: Container,
  env: Readonly<Record<string, string>> = {},
): ContainerMessage {
  const { id, name, image, state, health, createdAt, startedAt, exit, sessionId } = container;
  return {
    id,
    name,
    image,
    state: states[state],
    status: containerStatus(container),
    health: healths[health],
    createdAt: dateOf(createdAt),
    startedAt: optionalDate(startedAt),
    exitedAt: optionalDate(exit?.exitedAt),
    exitCode: exit?.exitCode ?? 0,
    config: configMessage(container, env),
    // What a container uses takes a second to be measured: container.v1 tells it.
    resources: usageMessage(),
    sessionId,
  };
}

/** One that has ended with another code than 0 is an error. */
export function containerStatus({ state, exit }: Container): Status {
  return state === 'exited' && exit?.exitCode !== 0 ? Status.STATUS_ERROR : statuses[state];
}

export function containerStateMessage(state: ContainerState): ContainerStateMessage {
  return states[state];
}

/** Error: `invalid_request`. */
export function containerStateOf(message: ContainerStateMessage): ContainerState | undefined {
  return wordOf(states, message, 'state');
}

/** Errors: `invalid_request` for a mount without a type, a restart policy that there is not, and what is negative. */
export function containerRequestOf(
  sessionId: string,
  message: ContainerConfigMessage,
): CreateContainerRequest {
  const { image, command, args, env, workingDir, labels, mounts, ports, networkMode, networks } = message;
  const { resources, restartPolicy, readOnlyRootfs, removeOnStop } = message;
  return {
    sessionId,
    image,
    // As in Kubernetes, whose names these are: `command` takes the place of the image's entry point.
    entrypoint: command,
    command: args,
    env,
    workingDir,
    labels,
    mounts: mounts.map(({ type, ...mount }) => ({ ...mount, type: mountTypeOf(type) })),
    ports: ports.map(portOf),
    network: networkMode === 'default' ? 'bridge' : given(networkMode),
    networks,
    resources: resources && limitsOf(resources),
    restart: restartPolicy && restartOf(restartPolicy),
    readOnlyRoot: readOnlyRootfs,
    removeOnStop,
  };
}

function mountTypeOf(message: MountType): ContainerMount['type'] {
  const type = wordOf(mountTypes, message, 'type of a mount');
  if (type === undefined) throw invalidRequest('type of a mount is required');
  return type;
}

function portOf({ containerPort, hostPort, protocol, hostIp }: PortBindingMessage): PortBinding {
  const word = protocol.toLowerCase();
  if (word !== '' && word !== 'tcp' && word !== 'udp')
    throw invalidRequest(`there is no protocol "${protocol}"`);
  return { containerPort, hostPort, protocol: word === 'udp' ? 'udp' : 'tcp', hostIp };
}

function restartOf({ name, maximumRetryCount }: RestartPolicyMessage): RestartPolicy {
  if (name !== '' && !restarts.includes(name)) throw invalidRequest(`there is no restart policy "${name}"`);
  return { name: name === '' ? 'no' : (name as RestartPolicy['name']), maximumRetryCount };
}

function configMessage(
  { image, config }: Container,
  env: Readonly<Record<string, string>>,
): ContainerConfigMessage {
  const { entrypoint, command, workingDir = '', labels, mounts, ports, network, networks } = config;
  return {
    image,
    command: [...entrypoint],
    args: [...command],
    env: Object.fromEntries(config.envNames.map((name) => [name, env[name] ?? ''])),
    workingDir,
    labels: { ...labels },
    mounts: mounts.map((mount) => ({ ...mount, type: mountTypes[mount.type] })),
    ports: ports.map((port) => ({ ...port })),
    networkMode: network,
    networks: [...networks],
    resources: limitsMessage(config.resources),
    restartPolicy: { ...config.restart, timeoutNs: 0n },
    readOnlyRootfs: config.readOnlyRoot,
    removeOnStop: config.removeOnStop,
  };
}
