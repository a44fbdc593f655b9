import type {
  Container,
  ContainerConfig,
  ContainerExit,
  ContainerGrant,
  CreateContainerRequest,
} from '../../../core/containers/container.ts';
import type {
  ContainerMount,
  EngineImage,
  EngineInfo,
  HealthCheck,
  ImageProgress,
  PortBinding,
  RestartPolicy,
} from '../../../core/ports/containerEngine.ts';
import type { RecordedOutput } from '../../../core/ports/containerRecords.ts';
import type { ResourceLimits } from '../../../core/resources.ts';
import {
  containerHealths,
  containerStates,
  exitReasons,
  invert,
  mountTypes,
  outputStreams,
  protocols,
  restartModes,
} from '../../../protocol/containerWords.ts';
import type {
  Container as ContainerMessage,
  ContainerConfig as ConfigMessage,
  ContainerExit as ExitMessage,
  ContainerGrant as GrantMessage,
  CreateContainerRequest as CreateMessage,
  Engine as EngineMessage,
  HealthCheck as HealthCheckMessage,
  Image as ImageMessage,
  ImageProgress as ProgressMessage,
  Mount as MountMessage,
  PortBinding as PortMessage,
  ReadLogsResponse,
  ResourceLimits as LimitsMessage,
  RestartPolicy as RestartMessage,
} from '../../../protocol/gen/container/v1/container.ts';
import { wordOf } from './commonMessages.ts';
import { given } from '../../../protocol/given.ts';
import { invalidRequest } from '../../../core/text.ts';
import { dateOf, optionalDate } from './values.ts';

const restartWords = invert(restartModes);

/** A container as `container.v1` has it. */
export function containerRecord(container: Container): ContainerMessage {
  const { id, sessionId, name, image, state, health, config, createdAt, startedAt, exit } = container;
  return {
    id,
    sessionId,
    name,
    image,
    state: containerStates[state],
    health: containerHealths[health],
    config: configMessage(config),
    createdAt: dateOf(createdAt),
    startedAt: optionalDate(startedAt),
    exit: exit && exitRecord(exit),
    ports: container.ports.map(portMessage),
    addresses: { ...container.addresses },
    warnings: [...container.warnings],
  };
}

export function exitRecord({ exitCode, reason, exitedAt, error = '' }: ContainerExit): ExitMessage {
  return { exitCode: exitCode ?? undefined, reason: exitReasons[reason], exitedAt: dateOf(exitedAt), error };
}

export function engineRecord({ socketPath: _, ...info }: EngineInfo): EngineMessage {
  return { ...info, missing: [...info.missing] };
}

export function imageRecord({ id, tags, sizeBytes, createdAt, labels }: EngineImage): ImageMessage {
  return { id, tags: [...tags], sizeBytes, createdAt: dateOf(createdAt), labels: { ...labels } };
}

export function progressRecord({ message, current, total }: ImageProgress): ProgressMessage {
  return { message, current, total };
}

export function outputRecord({ offset, stream, time, data }: RecordedOutput): ReadLogsResponse {
  return { offset, stream: outputStreams[stream], time: dateOf(time), data };
}

/** Errors: `invalid_request` for a mount without a type and for numbers that an enum does not have. */
export function createRequestOf(message: CreateMessage): CreateContainerRequest {
  const { entrypoint, command, env, labels, networks, extraHosts, capabilities } = message;
  return {
    sessionId: message.sessionId,
    name: given(message.name),
    image: message.image,
    entrypoint,
    command,
    env,
    workingDir: given(message.workingDir),
    user: given(message.user),
    labels,
    mounts: message.mounts.map(mountOf),
    ports: message.ports.map(portOf),
    network: given(message.network),
    networks,
    extraHosts,
    resources: message.resources && limitsOf(message.resources),
    restart: message.restart && restartOf(message.restart),
    readOnlyRoot: message.isRootReadOnly,
    removeOnStop: message.isRemovedOnStop,
    tty: message.hasTerminal,
    openInput: message.openInput,
    health: message.health,
    capabilities,
    allow: message.allow && grantOf(message.allow),
  };
}

function configMessage(config: ContainerConfig): ConfigMessage {
  const { workingDir = '', user = '', health } = config;
  return {
    entrypoint: [...config.entrypoint],
    command: [...config.command],
    envNames: [...config.envNames],
    workingDir,
    user,
    labels: { ...config.labels },
    mounts: config.mounts.map(mountMessage),
    ports: config.ports.map(portMessage),
    network: config.network,
    networks: [...config.networks],
    resources: limitsMessage(config.resources),
    restart: {
      mode: restartModes[config.restart.name],
      maximumRetryCount: config.restart.maximumRetryCount,
    },
    isRootReadOnly: config.readOnlyRoot,
    isRemovedOnStop: config.removeOnStop,
    hasTerminal: config.tty,
    openInput: config.openInput,
    health: health && healthMessage(health),
  };
}

function healthMessage(health: HealthCheck): HealthCheckMessage {
  return { ...health, command: [...health.command] };
}

function mountMessage({ type, source, target, readOnly }: ContainerMount): MountMessage {
  return { type: mountTypes[type], source, target, isReadOnly: readOnly };
}

function mountOf({ type, source, target, isReadOnly }: MountMessage): ContainerMount {
  const word = wordOf(mountTypes, type, 'type of a mount');
  if (word === undefined) throw invalidRequest('type of a mount is required');
  return { type: word, source, target, readOnly: isReadOnly };
}

function portMessage({ protocol, ...port }: PortBinding): PortMessage {
  return { ...port, protocol: protocols[protocol] };
}

function portOf({ protocol, ...port }: PortMessage): PortBinding {
  return { ...port, protocol: wordOf(protocols, protocol, 'protocol') ?? 'tcp' };
}

function limitsMessage(limits: ResourceLimits): LimitsMessage {
  return { ...limits, pidsLimit: limits.pidsLimit ?? 0 };
}

function limitsOf({ nanoCpus, memoryBytes, memorySwap, pidsLimit }: LimitsMessage): ResourceLimits {
  return { nanoCpus, memoryBytes, memorySwap, pidsLimit: given(pidsLimit) };
}

function restartOf({ mode, maximumRetryCount }: RestartMessage): RestartPolicy {
  const name = restartWords[mode];
  if (name === undefined) throw invalidRequest(`mode of a restart has no value ${mode}`);
  return { name, maximumRetryCount };
}

function grantOf({ isApproved, ...grant }: GrantMessage): ContainerGrant {
  const { network, networks, volumeMount, paths, capabilities } = grant;
  return {
    network,
    networks,
    volumeMount,
    // Its mere presence allows mounts.
    paths: paths.length === 0 ? undefined : paths,
    capabilities,
    approved: isApproved,
  };
}
