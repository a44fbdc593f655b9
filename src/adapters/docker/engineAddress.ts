import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { OrchestratorError } from '../../base/errors.ts';

/** Where an engine may be reached, and how it was found. */
export interface EngineAddress {
  /** `unix:///run/docker.sock`, `npipe:////./pipe/docker_engine`, `tcp://host:2376`, `ssh://me@host`. */
  readonly url: string;
  readonly foundBy: string;
  readonly tls?: EngineTls | undefined;
}

export interface EngineTls {
  readonly ca?: Buffer | undefined;
  readonly cert?: Buffer | undefined;
  readonly key?: Buffer | undefined;
  /** The certificate of the engine is not checked: the context says so. */
  readonly skipsVerification: boolean;
}

export interface AddressSources {
  /** What the person has set: an address. */
  readonly setting?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly platform: NodeJS.Platform;
}

/**
 * Where to look, in order. What the person has chosen (the setting, DOCKER_HOST, a Docker context) is the only
 * candidate then: another engine that happens to answer would be the wrong one. Errors: `invalid_request` for an
 * address or a context that cannot be used.
 */
export function engineAddresses(sources: AddressSources): readonly EngineAddress[] {
  const { setting, env } = sources;
  const host = env['DOCKER_HOST'];
  // As with `docker --host`, the certificates are those of the environment.
  if (isGiven(setting)) return [addressOf(setting, 'the setting', sources)];
  if (isGiven(host)) return [addressOf(host, 'DOCKER_HOST', sources)];
  const context = contextAddress(sources);
  if (context !== undefined) return [context];
  return defaultAddresses(sources);
}

function addressOf(text: string, foundBy: string, sources: AddressSources): EngineAddress {
  const url = checkedUrl(text, foundBy);
  return { url, foundBy, tls: isTcp(url) ? tlsOfEnvironment(sources) : undefined };
}

function defaultAddresses({ env, home, platform }: AddressSources): EngineAddress[] {
  if (platform === 'win32') {
    return ['docker_engine', 'podman-machine-default'].map((pipe) => ({
      url: `npipe:////./pipe/${pipe}`,
      foundBy: 'the default pipe',
    }));
  }
  const runtime = env['XDG_RUNTIME_DIR'];
  const sockets = [
    ...(runtime === undefined ? [] : [join(runtime, 'docker.sock')]),
    '/var/run/docker.sock',
    join(home, '.docker/run/docker.sock'),
    join(home, '.docker/desktop/docker.sock'),
    join(home, '.orbstack/run/docker.sock'),
    join(home, '.colima/default/docker.sock'),
    join(home, '.rd/docker.sock'),
    ...(runtime === undefined ? [] : [join(runtime, 'podman/podman.sock')]),
    '/run/podman/podman.sock',
    join(home, '.local/share/containers/podman/machine/podman.sock'),
  ];
  return sockets
    .filter((path) => existsSync(path))
    .map((path) => ({ url: `unix://${path}`, foundBy: 'the default sockets' }));
}

/** The context that `docker` itself would use, if it is another than the default one. */
function contextAddress({ env, home }: AddressSources): EngineAddress | undefined {
  const folder = dockerFolder({ env, home });
  const name = isGiven(env['DOCKER_CONTEXT']) ? env['DOCKER_CONTEXT'] : currentContext(folder);
  if (!isGiven(name) || name === 'default') return undefined;
  const id = createHash('sha256').update(name).digest('hex');
  const meta = readJsonObject(join(folder, 'contexts/meta', id, 'meta.json'));
  const endpoint = objectAt(objectAt(meta, 'Endpoints'), 'docker');
  const host = endpoint['Host'];
  if (typeof host !== 'string' || host === '') {
    throw unusable(`The Docker context "${name}" does not exist or names no engine. See: docker context ls`);
  }
  const url = checkedUrl(host, `context ${name}`);
  const files = join(folder, 'contexts/tls', id, 'docker');
  const skipsVerification = endpoint['SkipTLSVerify'] === true;
  return {
    url,
    foundBy: `the Docker context "${name}"`,
    tls:
      isTcp(url) && (existsSync(files) || skipsVerification) ? readTls(files, skipsVerification) : undefined,
  };
}

/** Where `docker` keeps what the person has configured. */
export function dockerFolder({ env, home }: Pick<AddressSources, 'env' | 'home'>): string {
  return isGiven(env['DOCKER_CONFIG']) ? env['DOCKER_CONFIG'] : join(home, '.docker');
}

function currentContext(folder: string): string | undefined {
  const name = readJsonObject(join(folder, 'config.json'))['currentContext'];
  return typeof name === 'string' ? name : undefined;
}

function tlsOfEnvironment(sources: AddressSources): EngineTls | undefined {
  const { env } = sources;
  const isVerified = isGiven(env['DOCKER_TLS_VERIFY']);
  const folder = env['DOCKER_CERT_PATH'];
  if (!isVerified && !isGiven(folder)) return undefined;
  if (isGiven(folder) && !existsSync(folder)) {
    throw unusable(`DOCKER_CERT_PATH names a folder that is not there: ${folder}`);
  }
  return readTls(isGiven(folder) ? folder : dockerFolder(sources), !isVerified);
}

/** Error: `invalid_request` where only one half of the client's certificate is there. */
function readTls(folder: string, skipsVerification: boolean): EngineTls {
  const read = (name: string): Buffer | undefined => {
    const path = join(folder, name);
    return existsSync(path) ? readFileSync(path) : undefined;
  };
  const [ca, cert, key] = [read('ca.pem'), read('cert.pem'), read('key.pem')];
  if ((cert === undefined) !== (key === undefined)) {
    const [there, missing] = cert === undefined ? ['key.pem', 'cert.pem'] : ['cert.pem', 'key.pem'];
    throw unusable(
      `${folder} has ${there}, but no ${missing}: both are needed to reach the container engine.`,
    );
  }
  return { ca, cert, key, skipsVerification };
}

const schemes = ['unix:', 'npipe:', 'tcp:', 'http:', 'https:', 'ssh:'];

function checkedUrl(text: string, what: string): string {
  // As `docker` reads it: a path is a socket, a bare host is TCP.
  const url = text.startsWith('/') ? `unix://${text}` : text.includes('://') ? text : `tcp://${text}`;
  const scheme = url.slice(0, url.indexOf('://') + 1);
  const isValid = schemes.includes(scheme) && url.length > scheme.length + 2 && URL.canParse(url);
  if (isValid) return url;
  throw unusable(
    `The address of the container engine (${what}) is none: "${describeAddress(text)}". ` +
      'It begins with unix://, npipe://, tcp:// or ssh://.',
  );
}

/** Without user and password, which an address may carry. */
export function describeAddress(url: string): string {
  return url.replace(/\/\/[^/@]*@/, '//');
}

export function isTcp(url: string): boolean {
  return /^(tcp|https?):/.test(url);
}

function isGiven(text: string | undefined): text is string {
  return text !== undefined && text.trim() !== '';
}

export function readJsonObject(path: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return objectAt({ value }, 'value');
  } catch {
    // Not there, or not JSON: as if nothing was set.
    return {};
  }
}

export function objectAt(
  holder: Readonly<Record<string, unknown>>,
  key: string,
): Readonly<Record<string, unknown>> {
  const value = holder[key];
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function unusable(message: string): OrchestratorError {
  return new OrchestratorError('INVALID_ARGUMENT', 'invalid_request', message);
}
