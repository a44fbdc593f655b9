import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { OrchestratorError } from '../../base/errors.ts';
import { type AddressSources, dockerFolder, objectAt, readJsonObject } from './engineAddress.ts';

/**
 * What `docker login` and `podman login` have left for a registry: in docker's own configuration, or with one of its
 * credential helpers. It is read for each task anew, handed to the engine, and kept nowhere.
 */

const dockerHub = 'https://index.docker.io/v1/';
const helperLimitMs = 30_000;

/** As the engine takes it. */
export interface RegistryLogin {
  readonly username: string;
  readonly password: string;
  readonly serveraddress: string;
  readonly identitytoken?: string;
}

type Places = Pick<AddressSources, 'env' | 'home'>;

/** The registry that an image is of, as `docker login` names it. */
export function registryOf(reference: string): string {
  const [first = '', ...others] = reference.split('/');
  const isHost = others.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  return !isHost || /^(index\.)?docker\.io$/.test(first) ? dockerHub : first;
}

/** Undefined where nobody has logged in. Error: `container_engine_failed` where a credential helper fails. */
export async function credentialsFor(registry: string, places: Places): Promise<RegistryLogin | undefined> {
  const config = readJsonObject(join(dockerFolder(places), 'config.json'));
  const helper = objectAt(config, 'credHelpers')[registry] ?? config['credsStore'];
  if (typeof helper === 'string' && helper !== '') return askHelper(helper, registry, places);
  const entry = Object.entries(objectAt(config, 'auths')).find(([name]) => hostOf(name) === hostOf(registry));
  return entry === undefined
    ? undefined
    : storedCredentials(objectAt({ entry: entry[1] }, 'entry'), registry);
}

/** Of all registries that the person has logged in to: nobody knows which a Dockerfile begins with. */
export async function allCredentials(places: Places): Promise<Readonly<Record<string, RegistryLogin>>> {
  const config = readJsonObject(join(dockerFolder(places), 'config.json'));
  const registries = ['auths', 'credHelpers'].flatMap((key) => Object.keys(objectAt(config, key)));
  const found = await Promise.all(
    [...new Set(registries)].map(
      async (name): Promise<[string, RegistryLogin | undefined]> => [
        name,
        // One that cannot be asked need not be one that is needed.
        await credentialsFor(name, places).catch(() => undefined),
      ],
    ),
  );
  return Object.fromEntries(found.filter((each): each is [string, RegistryLogin] => each[1] !== undefined));
}

function storedCredentials(
  entry: Readonly<Record<string, unknown>>,
  registry: string,
): RegistryLogin | undefined {
  const text = (key: string): string => textAt(entry, key);
  const decoded = Buffer.from(text('auth'), 'base64').toString();
  const colon = decoded.indexOf(':');
  const [username, password] =
    colon > 0 ? [decoded.slice(0, colon), decoded.slice(colon + 1)] : [text('username'), text('password')];
  return credentials(registry, username, password, text('identitytoken'));
}

function credentials(
  registry: string,
  username: string,
  password: string,
  identitytoken: string,
): RegistryLogin | undefined {
  if (username === '' && identitytoken === '') return undefined;
  const token = identitytoken === '' ? {} : { identitytoken };
  return { username, password, serveraddress: registry, ...token };
}

/** See docker-credential-helpers: the registry on its input, JSON on its output. */
function askHelper(helper: string, registry: string, { env }: Places): Promise<RegistryLogin | undefined> {
  const program = `docker-credential-${helper}`;
  if (!/^[\w.-]+$/.test(helper)) return Promise.resolve(undefined);
  return new Promise((resolve, reject) => {
    const child = execFile(
      program,
      ['get'],
      { env: { ...env }, timeout: helperLimitMs },
      (error, output, words) => {
        // It says so on its output.
        if (/credentials not found/i.test(output)) resolve(undefined);
        // What was uninstalled may still be configured; most images need no login.
        else if (error !== null && error.code === 'ENOENT') resolve(undefined);
        else if (error !== null)
          reject(helperError(program, registry, output || words || error.message, error));
        else resolve(parseHelper(output, registry));
      },
    );
    child.stdin?.on('error', () => undefined).end(registry);
  });
}

function parseHelper(output: string, registry: string): RegistryLogin | undefined {
  let answer: Readonly<Record<string, unknown>>;
  try {
    answer = objectAt({ answer: JSON.parse(output) as unknown }, 'answer');
  } catch {
    return undefined;
  }
  const [username, secret] = [textAt(answer, 'Username'), textAt(answer, 'Secret')];
  return username === '<token>'
    ? credentials(registry, '', '', secret)
    : credentials(registry, username, secret, '');
}

function textAt(holder: Readonly<Record<string, unknown>>, key: string): string {
  const value = holder[key];
  return typeof value === 'string' ? value : '';
}

function helperError(program: string, registry: string, words: string, cause: Error): OrchestratorError {
  return new OrchestratorError(
    'UNAVAILABLE',
    'container_engine_failed',
    `${program} could not tell the credentials for ${registry}: ${words.trim()}`,
    { cause },
  );
}

/** `registry.example:5000`, also of `https://registry.example:5000/v2/`. */
function hostOf(registry: string): string {
  return registry.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
}
