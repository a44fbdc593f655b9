import { builtInToolNames } from './builtInTools.ts';
import { catalogue, catalogueAction, catalogueMatch } from './catalogue.ts';
import type { Tool } from './tool.ts';
import type { ToolServer } from './toolServer.ts';

/** A tool as its server lists it. */
export interface OwnTool {
  readonly name: string;
  readonly description: string;
  readonly inputSchema: Readonly<Record<string, unknown>>;
}

/** A tool under its one name, and where it is. */
export interface NamedTool extends Tool {
  readonly server: string;
  readonly ownName: string;
}

/** What models take for the name of a tool. */
export const toolNameShape = /^[a-zA-Z0-9_-]{1,64}$/;
const nameLimit = 64;
const prefixLimit = 40;

/**
 * Gives a server's tools their names: an alias; else a name of the catalogue; else `<server>_<tool>`. What is ambiguous
 * or too long ends in a hash. It depends on the configuration and on this server's list alone, so that a name means the
 * same tool whichever other servers are open.
 * @param servers all that are configured.
 */
export function nameTools(
  server: ToolServer,
  own: readonly OwnTool[],
  servers: readonly ToolServer[],
): NamedTool[] {
  const named = new Map<string, NamedTool>();
  const add = (tool: OwnTool, name: string, provider = server.name): void => {
    named.set(name, { ...tool, name, provider, server: server.name, ownName: tool.name });
  };
  const others: OwnTool[] = [];
  for (const tool of new Map(own.map((tool) => [tool.name, tool])).values()) {
    const name = aliasOf(server, tool.name, servers) ?? matchOf(server, tool.name, servers);
    if (name === undefined || named.has(name)) others.push(tool);
    else add(tool, name, catalogueAction(name)?.provider);
  }
  const reserved = reservedNames(servers);
  const isAmbiguous = servers.some(({ name }) => name !== server.name && server.name.startsWith(`${name}_`));
  // A name that needs no change comes before one that only looks the same after it.
  const byChange = others.toSorted((a, b) => Number(isPlain(b.name)) - Number(isPlain(a.name)));
  for (const tool of byChange) {
    const name = plainName(server.name, tool.name);
    const isTaken = named.has(name) || reserved.has(name) || name.length > nameLimit;
    add(tool, isTaken || isAmbiguous ? hashedName(name, `${server.name}\0${tool.name}`) : name);
  }
  return [...named.values()];
}

/** Of several servers that have a tool of the same name (of the catalogue), the first by its own name has it. */
export function joinTools(lists: readonly (readonly NamedTool[])[]): NamedTool[] {
  const joined = new Map<string, NamedTool>();
  for (const tool of lists.flat().toSorted((a, b) => compare(a.server, b.server))) {
    if (!joined.has(tool.name)) joined.set(tool.name, tool);
  }
  return [...joined.values()].toSorted((a, b) => compare(a.name, b.name));
}

/**
 * Whether a server may have tools that a name or a provider of constraints means, as far as that is known before it was
 * asked: what cannot be meant need not be started.
 */
export function mayProvide(
  server: ToolServer,
  servers: readonly ToolServer[],
  wanted: { readonly provider?: string | undefined; readonly tool?: string | undefined },
): boolean {
  const { provider, tool } = wanted;
  const action = tool === undefined ? undefined : catalogueAction(tool);
  if (provider === server.name) return true;
  const names = Object.values(server.aliases);
  if (tool !== undefined && names.includes(tool)) return true;
  if (tool !== undefined && tool.startsWith(`${prefixOf(server.name)}_`)) return true;
  const known = catalogue.find((entry) => entry.provider === (provider ?? action?.provider));
  if (known === undefined) return false;
  const wantedNames = action === undefined ? known.actions.map(({ name }) => name) : [action.name];
  if (names.some((name) => wantedNames.includes(name))) return true;
  // Nobody is known to have them: whoever calls a tool just so, has.
  return wantedNames.some((name) => ownerOf(name, servers) === undefined);
}

/** The server that is configured to have a tool of the catalogue. */
export function ownerOf(name: string, servers: readonly ToolServer[]): ToolServer | undefined {
  const sorted = servers.toSorted((a, b) => compare(a.name, b.name));
  return (
    sorted.find(({ aliases }) => Object.values(aliases).includes(name)) ??
    sorted.find((server) => server.name === catalogueAction(name)?.provider)
  );
}

function aliasOf(server: ToolServer, ownName: string, servers: readonly ToolServer[]): string | undefined {
  const alias = Object.hasOwn(server.aliases, ownName) ? server.aliases[ownName] : undefined;
  if (alias === undefined || !toolNameShape.test(alias) || builtInToolNames.has(alias)) return undefined;
  const first = servers
    .filter(({ aliases }) => Object.values(aliases).includes(alias))
    .toSorted((a, b) => compare(a.name, b.name))[0];
  return first?.name === server.name ? alias : undefined;
}

function matchOf(server: ToolServer, ownName: string, servers: readonly ToolServer[]): string | undefined {
  const name = catalogueMatch(server.name, ownName)?.name;
  if (name === undefined) return undefined;
  const owner = ownerOf(name, servers);
  if (owner === undefined) return name;
  // An alias has taken the name from its own server's other tools too.
  return owner.name === server.name && !Object.values(owner.aliases).includes(name) ? name : undefined;
}

function reservedNames(servers: readonly ToolServer[]): ReadonlySet<string> {
  return new Set([
    ...builtInToolNames,
    ...catalogue.flatMap(({ actions }) => actions.map(({ name }) => name)),
    ...servers.flatMap(({ aliases }) => Object.values(aliases)),
  ]);
}

function plainName(server: string, ownName: string): string {
  const clean = ownName.replaceAll(/[^a-zA-Z0-9_-]/g, '_');
  const prefix = `${prefixOf(server)}_`;
  return clean.startsWith(prefix) && clean.length > prefix.length ? clean : `${prefix}${clean}`;
}

function prefixOf(server: string): string {
  return server.slice(0, prefixLimit);
}

function isPlain(name: string): boolean {
  return /^[a-zA-Z0-9_-]*$/.test(name);
}

function hashedName(name: string, identity: string): string {
  const hash = fnv1a(identity).toString(16).padStart(8, '0');
  return `${name.slice(0, nameLimit - hash.length - 1)}_${hash}`;
}

/** 32 bits: to tell names apart, not against anybody. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
