import { z } from 'zod/mini';
import { OrchestratorError } from '../../base/errors.ts';
import type { CreateContainerRequest } from '../../core/containers/container.ts';
import type { PortBinding } from '../../core/ports/containerEngine.ts';
import type { Session } from '../../core/sessions/session.ts';
import { splitWords } from './words.ts';

/** A container as a person fills it in: texts as they were typed. */
export interface ContainerDraft {
  readonly image: string;
  /** Made from the image when empty. */
  readonly name: string;
  /** The image's own when empty. */
  readonly command: string;
  /** `8080:80 5432`. */
  readonly ports: string;
  /** `NAME=value OTHER="two words"`. */
  readonly environment: string;
  /** The session's folder, at `/workspace`. */
  readonly mount: 'none' | 'readOnly' | 'writable';
  readonly hasNetwork: boolean;
  readonly hasTerminal: boolean;
  readonly isRootReadOnly: boolean;
  readonly isRemovedOnStop: boolean;
}

export const mountPoint = '/workspace';
const recentLimit = 5;

export function emptyDraft(image: string): ContainerDraft {
  return {
    image,
    name: '',
    command: '',
    ports: '',
    environment: '',
    mount: 'none',
    hasNetwork: false,
    hasTerminal: false,
    isRootReadOnly: false,
    isRemovedOnStop: false,
  };
}

/** Published ports need a network; without one there is none. */
export function needsNetwork(draft: ContainerDraft): boolean {
  return draft.ports.trim() !== '';
}

/**
 * What the core is asked for. The grants are exactly what the person has chosen here, for this one container. Error:
 * `invalid_request` for a text that cannot be read.
 */
export function requestOf(
  draft: ContainerDraft,
  session: Pick<Session, 'id' | 'cwd'>,
): CreateContainerRequest {
  const { mount, hasTerminal } = draft;
  const hasNetwork = draft.hasNetwork || needsNetwork(draft);
  const isMounted = mount !== 'none';
  return {
    sessionId: session.id,
    image: draft.image,
    ...(draft.name.trim() === '' ? {} : { name: draft.name.trim() }),
    command: splitWords(draft.command),
    ports: parsePorts(draft.ports),
    env: parseEnvironment(draft.environment),
    network: hasNetwork ? 'bridge' : 'none',
    mounts: isMounted
      ? [{ type: 'bind', source: session.cwd, target: mountPoint, readOnly: mount === 'readOnly' }]
      : [],
    ...(isMounted ? { workingDir: mountPoint } : {}),
    tty: hasTerminal,
    openInput: hasTerminal,
    readOnlyRoot: draft.isRootReadOnly,
    removeOnStop: draft.isRemovedOnStop,
    allow: {
      approved: true,
      network: hasNetwork,
      publicPorts: true,
      ...(isMounted ? { paths: [session.cwd] } : {}),
    },
  };
}

/** `80` at a free port, `8080:80`, `127.0.0.1:8080:80`, `53:53/udp`; between spaces or commas. Error: `invalid_request`. */
export function parsePorts(text: string): PortBinding[] {
  return text
    .split(/[\s,]+/)
    .filter((word) => word !== '')
    .map(parsePort);
}

const portPattern = /^(?:(?:(\d+\.\d+\.\d+\.\d+|\[[0-9a-f:.]+\]):)?(\d+):)?(\d+)(?:\/(tcp|udp))?$/i;

function parsePort(word: string): PortBinding {
  const [whole, address = '', host = '0', container = '', protocol = 'tcp'] = portPattern.exec(word) ?? [];
  const [hostPort, containerPort] = [Number(host), Number(container)];
  if (whole === undefined || hostPort > 65_535 || containerPort < 1 || containerPort > 65_535) {
    throw invalid(`"${word}" is no port. Write 80, 8080:80 or 53:53/udp.`);
  }
  return {
    containerPort,
    hostPort,
    protocol: protocol.toLowerCase() === 'udp' ? 'udp' : 'tcp',
    hostIp: address.replace(/^\[|\]$/g, ''),
  };
}

/** Error: `invalid_request`. */
export function parseEnvironment(text: string): Record<string, string> {
  const entries = splitWords(text).map((word): [string, string] => {
    const [, name = '', value = ''] = /^([A-Za-z_][\w.-]*)=(.*)$/s.exec(word) ?? [];
    if (name === '') throw invalid(`"${word}" is no variable. Write NAME=value, or NAME="two words".`);
    return [name, value];
  });
  return Object.fromEntries(entries);
}

/** What is wrong with a text, for an input box; undefined where nothing is. */
export function problemOf(parse: (text: string) => unknown): (text: string) => string | undefined {
  return (text) => {
    try {
      parse(text);
      return undefined;
    } catch (error) {
      return OrchestratorError.from(error).message;
    }
  };
}

/** `NAME=… OTHER=…`: values may be secrets, and are neither shown in a list nor remembered. */
export function environmentNames(text: string): string {
  return Object.keys(parseEnvironment(text)).join(', ');
}

const remembered = z.array(
  z.object({
    image: z.string(),
    name: z.string(),
    command: z.string(),
    ports: z.string(),
    environment: z.string(),
    mount: z.enum(['none', 'readOnly', 'writable']),
    hasNetwork: z.boolean(),
    hasTerminal: z.boolean(),
    isRootReadOnly: z.boolean(),
    isRemovedOnStop: z.boolean(),
  }),
);

/** Recent choices out of what was saved, newest first; none where that is not what it should be. */
export function readRecent(saved: unknown): readonly ContainerDraft[] {
  const parsed = remembered.safeParse(saved);
  return parsed.success ? parsed.data : [];
}

/** With this one as the newest; without the values of its environment. */
export function withRecent(
  recent: readonly ContainerDraft[],
  draft: ContainerDraft,
): readonly ContainerDraft[] {
  const names = Object.keys(parseEnvironment(draft.environment));
  const kept = { ...draft, environment: names.map((name) => `${name}=`).join(' ') };
  const others = recent.filter(({ image, command }) => image !== kept.image || command !== kept.command);
  return [kept, ...others].slice(0, recentLimit);
}

/** `npm start · 8080:80 · folder writable`: what is particular about it. */
export function describeDraft(draft: ContainerDraft): string {
  const { command, ports, mount, environment, hasTerminal } = draft;
  return [
    command,
    ports,
    ...(mount === 'none' ? [] : [mount === 'readOnly' ? 'folder read-only' : 'folder writable']),
    environment === '' ? '' : environmentNames(environment),
    hasTerminal ? 'terminal' : '',
  ]
    .filter((part) => part !== '')
    .join(' · ');
}

function invalid(message: string): OrchestratorError {
  return new OrchestratorError('INVALID_ARGUMENT', 'invalid_request', message);
}
