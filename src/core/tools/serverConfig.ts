import { OrchestratorError } from '../../base/errors.ts';
import type { ServerProblem } from '../ports/toolParts.ts';
import { invalidRequest, isAbsolutePath } from '../text.ts';
import { builtInProviders } from './builtInTools.ts';
import { toolNameShape } from './toolNames.ts';
import type { ToolServer } from './toolServer.ts';

/** What stands for `${…}` in a configuration; inputs are asked for later. */
export interface ConfigVariables {
  readonly env: (name: string) => string | undefined;
  /** The folder that the file belongs to: absolute. */
  readonly folder: string | undefined;
  readonly home: string;
}

/** A server, with the values that it only names; `${input:…}` still stands in them. */
export interface ServerEntry {
  readonly server: ToolServer;
  readonly values: Readonly<Record<string, string>>;
}

export interface ParsedServers {
  readonly entries: readonly ServerEntry[];
  readonly problems: readonly ServerProblem[];
}

/** What a configuration asks a person for. */
export interface ConfigInput {
  readonly id: string;
  readonly description: string;
  readonly isPassword: boolean;
}

const maxServers = 64;
const defaultTimeoutMs = 60_000;
const maxTimeoutMs = 60 * 60_000;
const inputShape = /\$\{input:([^}]+)\}/g;

/**
 * Servers in the shape of VS Code's `mcp.json` (`servers`), Claude's (`mcpServers`), or bare by name. What is wrong with
 * one is its own problem. All values of `env` and `headers` are taken for secrets.
 */
export function parseServers(config: unknown, variables: ConfigVariables): ParsedServers {
  const entries = new Map<string, ServerEntry>();
  const problems: ServerProblem[] = [];
  const root = record(config, 'The configuration');
  const listed = record(root['servers'] ?? root['mcpServers'] ?? root, 'The list of servers');
  for (const [key, value] of Object.entries(listed)) {
    try {
      const name = serverName(key);
      if (entries.has(name)) throw invalidRequest(`there is another server "${name}"`);
      if (entries.size >= maxServers) throw invalidRequest(`there are more than ${maxServers} servers`);
      const fields = record(value, 'a server');
      if (fields['disabled'] === true) continue;
      entries.set(name, parseServer(name, key, fields, variables));
    } catch (error) {
      problems.push({ name: key.slice(0, 200), problem: OrchestratorError.from(error).message });
    }
  }
  return { entries: [...entries.values()], problems };
}

/** `inputs` as VS Code has them; what is not understood is left out. */
export function parseInputs(config: unknown): ConfigInput[] {
  const { inputs } = record(config, 'The configuration');
  return (Array.isArray(inputs) ? inputs : []).flatMap((input: unknown) => {
    const { id, description, password } = (input ?? {}) as Readonly<Record<string, unknown>>;
    if (typeof id !== 'string') return [];
    const isPassword = password !== false;
    return [{ id, description: typeof description === 'string' ? description : id, isPassword }];
  });
}

/** The ids of `${input:…}` in a server's values. */
export function inputsOf({ values }: ServerEntry): string[] {
  const ids = Object.values(values).flatMap((text) =>
    [...text.matchAll(inputShape)].map(([, id = '']) => id),
  );
  return [...new Set(ids)];
}

/** A server's values with its inputs in them; those that need an input that is not there are missing. */
export function valuesOf(
  { values }: ServerEntry,
  inputs: ReadonlyMap<string, string>,
): Record<string, string> {
  const whole = Object.entries(values).filter(([, text]) =>
    [...text.matchAll(inputShape)].every(([, id = '']) => inputs.has(id)),
  );
  return Object.fromEntries(
    whole.map(([name, text]) => [name, text.replaceAll(inputShape, (_, id: string) => inputs.get(id) ?? '')]),
  );
}

function parseServer(
  name: string,
  displayName: string,
  fields: Readonly<Record<string, unknown>>,
  variables: ConfigVariables,
): ServerEntry {
  const { type, command, url } = fields;
  const base = {
    name,
    displayName,
    aliases: parseAliases(fields['aliases']),
    callTimeoutMs: parseTimeout(fields['timeout']),
  };
  if (type === 'sse') throw invalidRequest('the transport "sse" is of an old protocol: use "http"');
  if (typeof command === 'string' && command !== '') {
    const cwd = fields['cwd'] === undefined ? null : expand(text(fields['cwd'], 'cwd'), variables);
    if (cwd !== null && !isAbsolutePath(cwd)) throw invalidRequest('cwd must be an absolute path');
    const values = texts(fields['env'], 'env', variables);
    const args = fields['args'] ?? [];
    if (!Array.isArray(args)) throw invalidRequest('args must be a list of texts');
    return {
      server: {
        ...base,
        kind: 'stdio',
        command: visible(command, 'command', variables),
        args: args.map((arg) => visible(text(arg, 'args'), 'args', variables)),
        cwd: cwd ?? variables.folder ?? null,
        env: {},
        secretEnv: Object.keys(values),
      },
      values,
    };
  }
  if (typeof url !== 'string') throw invalidRequest('it has neither a command nor a url');
  const values = texts(fields['headers'], 'headers', variables);
  return {
    server: {
      ...base,
      kind: 'http',
      url: checkedUrl(visible(url, 'url', variables)),
      headers: {},
      secretHeaders: Object.keys(values),
    },
    values,
  };
}

/** Lower case, with `-` for what a provider's name cannot hold. */
function serverName(key: string): string {
  const name = key
    .trim()
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 64);
  if (name === '') throw invalidRequest('its name has no letters or digits');
  if (builtInProviders.some((own) => own === name))
    throw invalidRequest(`"${name}" are the orchestrator's own tools: give it another name`);
  return name;
}

function parseAliases(value: unknown): Record<string, string> {
  if (value === undefined) return {};
  const aliases = record(value, 'aliases');
  for (const [own, alias] of Object.entries(aliases)) {
    if (typeof alias !== 'string' || !toolNameShape.test(alias))
      throw invalidRequest(`the alias of "${own}" must be letters, digits, "_" and "-", at most 64`);
  }
  return aliases as Record<string, string>;
}

function parseTimeout(value: unknown): number {
  if (value === undefined) return defaultTimeoutMs;
  if (typeof value === 'number' && value >= 1 && value <= maxTimeoutMs) return Math.round(value);
  throw invalidRequest(`timeout must be milliseconds, from 1 to ${maxTimeoutMs}`);
}

function checkedUrl(value: string): string {
  const url = URL.parse(value);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    throw invalidRequest('url must begin with https:// or http://');
  if (url.username !== '' || url.password !== '')
    throw invalidRequest('url must hold no password: put it into a header');
  return url.href;
}

function texts(value: unknown, field: string, variables: ConfigVariables): Record<string, string> {
  const entries = Object.entries(record(value ?? {}, field)).filter(([, item]) => item !== null);
  return Object.fromEntries(
    entries.map(([name, item]) => {
      const value = typeof item === 'number' || typeof item === 'boolean' ? String(item) : text(item, field);
      if (/[\r\n\0]/.test(value) && field === 'headers')
        throw invalidRequest(`the header ${name} has line breaks`);
      return [name, expand(value, variables)];
    }),
  );
}

/** Of what everybody can see: in process lists and in what is written down. */
function visible(value: string, field: string, variables: ConfigVariables): string {
  if (value.includes('${input:'))
    throw invalidRequest(`${field} would show an input to everybody: put it into env or headers`);
  if (value.includes('\0')) throw invalidRequest(`${field} has a NUL`);
  return expand(value, variables);
}

/** VS Code's `${env:A}`, `${workspaceFolder}`, `${userHome}`; Claude's `${A}` and `${A:-else}`. */
function expand(value: string, { env, folder, home }: ConfigVariables): string {
  return value.replaceAll(/\$\{([^}]+)\}/g, (whole, name: string) => {
    if (name.startsWith('input:')) return whole;
    if (name === 'workspaceFolder' && folder !== undefined) return folder;
    if (name === 'userHome') return home;
    const [, variable = '', otherwise] = /^(?:env:)?([A-Za-z_]\w*)(?::-(.*))?$/.exec(name) ?? [];
    const known = env(variable) ?? otherwise;
    if (known !== undefined) return known;
    throw invalidRequest(`there is no ${whole}`);
  });
}

function text(value: unknown, field: string): string {
  if (typeof value === 'string') return value;
  throw invalidRequest(`${field} must be texts`);
}

function record(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Readonly<Record<string, unknown>>;
  throw invalidRequest(`${what} must be an object`);
}
