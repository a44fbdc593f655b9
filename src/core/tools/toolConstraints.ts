import { invalidRequest } from '../text.ts';
import type { Tool, ToolConstraints, ToolRefusal } from './tool.ts';

export const noConstraints: ToolConstraints = { mode: 'auto', providers: null, tools: null };

const maxNames = 1_000;
const maxNameLength = 128;

/**
 * Constraints as a client sends them (contract 004, section 3): nothing and an empty object constrain nothing.
 * Error: `invalid_request`, whose message is the contract's where it has one.
 */
export function parseConstraints(value: unknown): ToolConstraints {
  if (value === undefined || value === null) return noConstraints;
  if (typeof value !== 'object' || Array.isArray(value))
    throw invalidRequest('tool_constraints must be an object');
  const { mode, providers, tools } = value as Readonly<Record<string, unknown>>;
  return {
    mode: parseMode(mode),
    providers: parseNames(providers, 'providers', (name) => name.toLowerCase()),
    tools: parseNames(tools, 'tools', (name) => name),
  };
}

function parseMode(mode: unknown): ToolConstraints['mode'] {
  if (mode === undefined || mode === null || mode === '') return 'auto';
  const known = typeof mode === 'string' ? mode.trim().toLowerCase() : mode;
  if (known === 'auto' || known === 'custom') return known;
  throw invalidRequest("tool_constraints.mode must be 'auto' or 'custom'");
}

function parseNames(value: unknown, field: string, clean: (name: string) => string): string[] | null {
  if (value === undefined || value === null) return null;
  if (!Array.isArray(value) || value.some((name) => typeof name !== 'string'))
    throw invalidRequest(`tool_constraints.${field} must be a list of texts`);
  if (value.length > maxNames) throw invalidRequest(`tool_constraints.${field} names more than ${maxNames}`);
  const names = (value as readonly string[]).map((name) => clean(name.trim())).filter((name) => name !== '');
  if (names.some((name) => name.length > maxNameLength))
    throw invalidRequest(`tool_constraints.${field} has a name of more than ${maxNameLength} characters`);
  return names.length === 0 ? null : [...new Set(names)];
}

/**
 * Why the constraints leave a tool out; undefined where they let it in. With providers and tools both given, a tool must
 * be among both.
 * @param isOnByDefault whether it may be called by who did not name it or its provider.
 */
export function exclusionOf(
  { mode, providers, tools }: ToolConstraints,
  tool: Pick<Tool, 'name' | 'provider'>,
  isOnByDefault: boolean,
): ToolRefusal | undefined {
  if (mode === 'custom') {
    if (providers !== null && !providers.includes(tool.provider)) return 'filtered';
    if (tools !== null && !tools.includes(tool.name)) return 'tool_filter';
    if (providers !== null || tools !== null) return undefined;
  }
  return isOnByDefault ? undefined : 'filtered';
}
