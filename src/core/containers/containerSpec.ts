import { OrchestratorError } from '../../base/errors.ts';
import { validLabels } from '../labels.ts';
import type { OrchestratorLimits } from '../limits.ts';
import type { EngineContainerSpec, EngineInfo, PortBinding } from '../ports/containerEngine.ts';
import type { ResourceLimits } from '../resources.ts';
import type { Session } from '../sessions/session.ts';
import { checkInteger, invalidRequest, isAbsolutePath, validName } from '../text.ts';
import type { ContainerConfig, ContainerGrant, CreateContainerRequest } from './container.ts';
import { engineName, labelPrefix, ownLabels } from './containerLabels.ts';
import { policyViolation } from './containerPolicy.ts';

/** From what was asked for to what the engine is told: checked, limited, with defaults. No I/O. */

const countLimit = 256;
const textLimit = 32 * 1024;

export interface SpecInput {
  readonly request: CreateContainerRequest;
  readonly session: Session;
  readonly engine: EngineInfo;
  readonly limits: OrchestratorLimits;
  readonly installationId: string;
  readonly stateDirectory: string | undefined;
  readonly claimId: string;
  /** Networks that the session owns: their name for people, and the engine's. */
  readonly ownNetworks: ReadonlyMap<string, string>;
}

/** Errors: `invalid_request`, `policy_violation`, `image_not_allowed`. Mounts are checked by `checkMounts`. */
export function containerSpec(input: SpecInput): { spec: EngineContainerSpec; config: ContainerConfig } {
  const { request, session, engine, limits, claimId, installationId, stateDirectory } = input;
  const image = request.image.trim();
  if (image === '' || /\s/.test(image)) throw invalidRequest(`"${request.image}" is no image's name.`);
  checkImage(image, session);
  const name = validName(request.name ?? imageName(image), 'container');
  const labels = validLabels(request.labels, 'container');
  const reserved = Object.keys(labels).find((key) => key.startsWith(labelPrefix));
  if (reserved !== undefined) throw invalidRequest(`The label "${reserved}" is the workbench's own.`);
  const [network = 'none', ...networks] = networksOf(request, input);
  const config: ContainerConfig = {
    entrypoint: validWords(request.entrypoint, 'The entry point'),
    command: validWords(request.command, 'The command'),
    envNames: Object.keys(validEnv(request.env)),
    workingDir: request.workingDir === '' ? undefined : request.workingDir,
    user: request.user === '' ? undefined : request.user,
    labels,
    mounts: request.mounts ?? [],
    ports: (request.ports ?? []).map((port) => validPort(port, input)),
    network,
    networks,
    resources: resourcesOf(request.resources ?? {}, session.config.resourceLimits, engine, limits),
    restart: request.restart ?? { name: 'no', maximumRetryCount: 0 },
    readOnlyRoot: request.readOnlyRoot === true,
    removeOnStop: request.removeOnStop === true,
    tty: request.tty === true,
    openInput: request.openInput === true,
    health: request.health,
  };
  checkTogether(config);
  const capabilities = request.capabilities ?? [];
  if (capabilities.length > 0 && request.allow?.capabilities !== true) {
    throw policyViolation(
      `Capabilities (${capabilities.join(', ')}) are not allowed in this session.`,
      session,
    );
  }
  const { envNames: _, removeOnStop: __, ...rest } = config;
  const spec: EngineContainerSpec = {
    ...rest,
    name: engineName(name, claimId),
    image,
    env: request.env ?? {},
    workingDir: config.workingDir,
    user: config.user,
    labels: {
      ...labels,
      ...ownLabels({ installationId, sessionId: session.id, claimId, name, stateDirectory }),
    },
    extraHosts: validWords(request.extraHosts, 'Further hosts'),
    health: config.health,
    capabilities,
  };
  return { spec, config };
}

export function nameOf(spec: EngineContainerSpec): string {
  return spec.labels[`${labelPrefix}name`] ?? spec.name;
}

/** An entry allows exactly that image; without a tag, any tag of it; `name/*`, everything below. */
export function isImageAllowed(image: string, allowed: readonly string[]): boolean {
  if (allowed.length === 0) return true;
  const withoutTag = image.replace(/@.*$/, '').replace(/:[^/]*$/, '');
  return allowed.some((entry) =>
    entry.endsWith('/*')
      ? withoutTag.startsWith(entry.slice(0, -1))
      : entry === image || entry === withoutTag || `${entry}:latest` === image || entry === `${image}:latest`,
  );
}

function checkImage(image: string, session: Session): void {
  if (isImageAllowed(image, session.config.allowedImages)) return;
  throw new OrchestratorError(
    'PERMISSION_DENIED',
    'image_not_allowed',
    `The session "${session.name}" does not allow the image ${image}. It allows: ${session.config.allowedImages.join(', ')}.`,
    { details: { image, allowed: session.config.allowedImages } },
  );
}

/** The one that it is made with, then those that it joins. Nothing can join another one besides none. */
function networksOf(request: CreateContainerRequest, input: SpecInput): string[] {
  const asked = [request.network ?? 'none', ...(request.networks ?? [])];
  const names = asked.map((each) => networkOf(each, input)).filter((name) => name !== 'none');
  return [...new Set(names)];
}

/** The engine's name of the network, if the container may join it. */
function networkOf(network: string, { request, session, ownNetworks }: SpecInput): string {
  if (network === '' || network === 'none') return 'none';
  const own = ownNetworks.get(network);
  if (own !== undefined) return own;
  const { policy } = session.config;
  const allow: ContainerGrant = request.allow ?? {};
  if (/^(host$|container:|ns:)/.test(network)) {
    throw policyViolation(`The network mode "${network}" is never allowed.`, session);
  }
  if (!policy.allowNetwork && allow.network !== true) {
    throw policyViolation(
      `This session allows no network. Allow it for the session, or make a network of the session's own.`,
      session,
    );
  }
  const listed = [...policy.allowedNetworks, ...(allow.networks ?? [])];
  const isAllowed = listed.length === 0 ? network === 'bridge' : listed.includes(network);
  if (!isAllowed) throw policyViolation(`This session does not allow the network "${network}".`, session);
  return network;
}

/** What was asked for, else the session's limit, else the product's; never over the session's. */
function resourcesOf(
  asked: Partial<ResourceLimits>,
  session: ResourceLimits,
  engine: EngineInfo,
  limits: OrchestratorLimits,
): ResourceLimits {
  checkAmount(asked.nanoCpus, 'The processors');
  checkAmount(asked.memoryBytes, 'The memory');
  checkAmount(asked.pidsLimit, 'The number of processes');
  const memoryBytes = within(asked.memoryBytes, session.memoryBytes, limits.containerMemoryBytes);
  // The engine refuses more processors than it has.
  const wantedCpus = within(asked.nanoCpus, session.nanoCpus, 0);
  const nanoCpus = engine.cpus > 0 ? Math.min(wantedCpus, engine.cpus * 1e9) : wantedCpus;
  const askedSwap = asked.memorySwap ?? 0;
  checkInteger(askedSwap, -1, Number.MAX_SAFE_INTEGER, 'The memory with swap');
  const swapLimit = session.memorySwap !== 0 ? session.memorySwap : memoryBytes;
  const memorySwap = askedSwap === 0 ? swapLimit : withinSwap(askedSwap, session.memorySwap);
  return {
    nanoCpus,
    memoryBytes,
    // Together with the memory: less than that is no swap at all.
    memorySwap: memorySwap === -1 ? -1 : Math.max(memorySwap, memoryBytes),
    pidsLimit: within(asked.pidsLimit, session.pidsLimit, limits.containerPids),
  };
}

function within(asked: number | undefined, limit: number | undefined, preset: number): number {
  const wanted = asked !== undefined && asked > 0 ? asked : limit !== undefined && limit > 0 ? limit : preset;
  return limit !== undefined && limit > 0 ? Math.min(wanted, limit) : wanted;
}

function withinSwap(asked: number, limit: number): number {
  if (limit <= 0) return asked;
  return asked === -1 ? limit : Math.min(asked, limit);
}

function checkAmount(value: number | undefined, what: string): void {
  if (value !== undefined) checkInteger(value, 0, Number.MAX_SAFE_INTEGER, what);
}

function checkTogether(config: ContainerConfig): void {
  if (config.ports.length > 0 && config.network === 'none') {
    throw invalidRequest('Without a network no port can be published. Choose one, such as bridge.');
  }
  if (config.restart.name !== 'no' && config.removeOnStop) {
    throw invalidRequest('A container that is started again cannot be removed when it stops.');
  }
  for (const { target } of config.mounts) {
    if (!isAbsolutePath(target)) throw invalidRequest(`The place of a mount must be absolute: "${target}".`);
  }
}

function validPort(port: PortBinding, { request, session }: SpecInput): PortBinding {
  const isLoopback = /^(|localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/.test(port.hostIp);
  if (!isLoopback && request.allow?.publicPorts !== true) {
    throw policyViolation(
      `Ports are published on this machine's loopback only, and not on ${port.hostIp}.`,
      session,
    );
  }
  checkInteger(port.containerPort, 1, 65_535, "The container's port");
  checkInteger(port.hostPort, 0, 65_535, "The host's port");
  return port.hostIp === 'localhost' ? { ...port, hostIp: '127.0.0.1' } : port;
}

function validWords(words: readonly string[] | undefined, what: string): readonly string[] {
  const list = words ?? [];
  if (list.length > countLimit) throw invalidRequest(`${what} has more than ${countLimit} words.`);
  const length = list.reduce((sum, word) => sum + word.length, 0);
  if (length > textLimit) throw invalidRequest(`${what} is too long: at most ${textLimit} characters.`);
  return [...list];
}

function validEnv(env: Readonly<Record<string, string>> | undefined): Readonly<Record<string, string>> {
  const entries = Object.entries(env ?? {});
  if (entries.length > countLimit) throw invalidRequest(`There are more than ${countLimit} variables.`);
  for (const [name, value] of entries) {
    if (name === '' || /[=\0]/.test(name)) throw invalidRequest(`"${name}" is no name of a variable.`);
    if (value.length > textLimit || value.includes('\0')) {
      throw invalidRequest(`The value of the variable ${name} cannot be passed on.`);
    }
  }
  return env ?? {};
}

/** `python` of `registry.example/library/python:3.12@sha256:…`. */
function imageName(image: string): string {
  const path = image.replace(/@.*$/, '').replace(/:[^/]*$/, '');
  return path.slice(path.lastIndexOf('/') + 1).slice(0, 120) || 'container';
}
