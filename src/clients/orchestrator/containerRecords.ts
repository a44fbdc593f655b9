import type {
  Container,
  ContainerConfig,
  ContainerExit,
  CreateContainerRequest,
} from '../../core/containers/container.ts';
import type {
  ContainerMount,
  EngineImage,
  EngineInfo,
  HealthCheck,
  ImageProgress,
  PortBinding,
  RestartPolicy,
} from '../../core/ports/containerEngine.ts';
import type { RecordedOutput } from '../../core/ports/containerRecords.ts';
import { noResourceLimits, type ResourceLimits } from '../../core/resources.ts';
import {
  containerHealths,
  containerStates,
  exitReasons,
  invert,
  mountTypes,
  outputStreams,
  protocols,
  restartModes,
} from '../../protocol/containerWords.ts';
import {
  type Container as ContainerMessage,
  type ContainerConfig as ConfigMessage,
  type ContainerExit as ExitMessage,
  CreateContainerRequest as CreateMessage,
  type Engine as EngineMessage,
  type Image as ImageMessage,
  type ImageProgress as ProgressMessage,
  type Mount as MountMessage,
  type PortBinding as PortMessage,
  type ReadLogsResponse,
} from '../../protocol/gen/container/v1/container.ts';
import { given } from '../../protocol/given.ts';
import { optionalTime, present, timeOf, wordOf } from './values.ts';

const states = invert(containerStates);
const healths = invert(containerHealths);
const reasons = invert(exitReasons);
const mounts = invert(mountTypes);
const transports = invert(protocols);
const restarts = invert(restartModes);
const streams = invert(outputStreams);

export function containerOf(message: ContainerMessage): Container {
  const { id, sessionId, name, image, state, health, createdAt, startedAt, exit } = message;
  return {
    id,
    sessionId,
    name,
    image,
    state: wordOf(states, state, 'state of a container'),
    health: wordOf(healths, health, 'health of a container'),
    config: configOf(present(message.config, 'configuration of a container')),
    createdAt: timeOf(createdAt),
    startedAt: optionalTime(startedAt),
    exit: exit && exitOf(exit),
    ports: message.ports.map(portOf),
    addresses: message.addresses,
    warnings: message.warnings,
  };
}

export function exitOf({ exitCode, reason, exitedAt, error }: ExitMessage): ContainerExit {
  return {
    exitCode: exitCode ?? null,
    reason: wordOf(reasons, reason, 'reason of an exit'),
    exitedAt: timeOf(exitedAt),
    error: given(error),
  };
}

/** Its socket is another machine's business, or ours already. */
export function engineOf({ kind, ...info }: EngineMessage): EngineInfo {
  return { ...info, id: info.address, kind: kind === 'podman' ? 'podman' : 'docker', socketPath: undefined };
}

export function imageOf({ createdAt, ...image }: ImageMessage): EngineImage {
  return { ...image, createdAt: timeOf(createdAt) };
}

export function progressOf({ message, current, total }: ProgressMessage): ImageProgress {
  return { message, current, total };
}

export function outputOf({ offset, stream, time, data }: ReadLogsResponse): RecordedOutput {
  return { offset, stream: streamOf(stream), time: timeOf(time), data };
}

export function streamOf(stream: number): RecordedOutput['stream'] {
  return wordOf(streams, stream, 'stream of an output');
}

export function createMessage(request: CreateContainerRequest, isStarted: boolean): CreateMessage {
  const { allow, resources, restart, health } = request;
  return CreateMessage.fromPartial({
    sessionId: request.sessionId,
    name: request.name ?? '',
    image: request.image,
    entrypoint: [...(request.entrypoint ?? [])],
    command: [...(request.command ?? [])],
    env: { ...request.env },
    workingDir: request.workingDir ?? '',
    user: request.user ?? '',
    labels: { ...request.labels },
    mounts: (request.mounts ?? []).map(mountMessage),
    ports: (request.ports ?? []).map(portMessage),
    network: request.network ?? '',
    networks: [...(request.networks ?? [])],
    extraHosts: [...(request.extraHosts ?? [])],
    resources: resources && {
      nanoCpus: resources.nanoCpus ?? 0,
      memoryBytes: resources.memoryBytes ?? 0,
      memorySwap: resources.memorySwap ?? 0,
      pidsLimit: resources.pidsLimit ?? 0,
    },
    restart: restart && restartMessage(restart),
    isRootReadOnly: request.readOnlyRoot ?? false,
    isRemovedOnStop: request.removeOnStop ?? false,
    hasTerminal: request.tty ?? false,
    openInput: request.openInput ?? false,
    health: health && { ...health, command: [...health.command] },
    capabilities: [...(request.capabilities ?? [])],
    allow: allow && {
      network: allow.network ?? false,
      networks: [...(allow.networks ?? [])],
      volumeMount: allow.volumeMount ?? false,
      paths: [...(allow.paths ?? [])],
      capabilities: allow.capabilities ?? false,
      isApproved: allow.approved ?? false,
    },
    isStarted,
  });
}

function configOf(message: ConfigMessage): ContainerConfig {
  const { entrypoint, command, envNames, labels, network, networks, openInput } = message;
  return {
    entrypoint,
    command,
    envNames,
    workingDir: given(message.workingDir),
    user: given(message.user),
    labels,
    mounts: message.mounts.map(mountOf),
    ports: message.ports.map(portOf),
    network,
    networks,
    resources: limitsOf(message.resources),
    restart: {
      name: wordOf(restarts, message.restart?.mode ?? 0, 'restart policy'),
      maximumRetryCount: message.restart?.maximumRetryCount ?? 0,
    },
    readOnlyRoot: message.isRootReadOnly,
    removeOnStop: message.isRemovedOnStop,
    tty: message.hasTerminal,
    openInput,
    health: healthOf(message.health),
  };
}

function healthOf(health: HealthCheck | undefined): HealthCheck | undefined {
  return health && { ...health };
}

function limitsOf(limits: ResourceLimits | undefined): ResourceLimits {
  return limits === undefined ? noResourceLimits : { ...limits };
}

function mountOf({ type, source, target, isReadOnly }: MountMessage): ContainerMount {
  return { type: wordOf(mounts, type, 'type of a mount'), source, target, readOnly: isReadOnly };
}

function mountMessage({ type, source, target, readOnly }: ContainerMount): MountMessage {
  return { type: mountTypes[type], source, target, isReadOnly: readOnly };
}

function portOf({ protocol, ...port }: PortMessage): PortBinding {
  return { ...port, protocol: wordOf(transports, protocol, 'protocol of a port') };
}

function portMessage({ protocol, ...port }: PortBinding): PortMessage {
  return { ...port, protocol: protocols[protocol] };
}

function restartMessage({ name, maximumRetryCount }: RestartPolicy): CreateMessage['restart'] {
  return { mode: restartModes[name], maximumRetryCount };
}
