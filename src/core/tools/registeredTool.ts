import { OrchestratorError } from '../../base/errors.ts';
import type { RunRequest } from '../runs/run.ts';
import { invalidRequest } from '../text.ts';
import { builtInToolNames } from './builtInTools.ts';
import type { Tool } from './tool.ts';
import { toolNameShape } from './toolNames.ts';

/** A tool that somebody has registered: a command, in a container or in a shell of the session that it is called in. */
export interface ToolDefinition {
  readonly name: string;
  readonly displayName: string;
  readonly description: string;
  readonly parameters: readonly ToolParameter[];
  /** A program and its arguments. Without any, nothing carries the tool out. */
  readonly command: readonly string[];
  /** Of the container that the command runs in; empty for a shell of the session. */
  readonly image: string;
  /** In milliseconds; 0 for the default. */
  readonly timeoutMs: number;
  /** What it is for; we only tell it. */
  readonly kind: ToolKind | undefined;
  readonly version: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export type ToolKind = 'file' | 'shell' | 'web' | 'message' | 'custom';

/** As common.v1 has them; each is a text in the environment. */
export const parameterTypes = {
  string: 'string',
  integer: 'integer',
  float: 'number',
  boolean: 'boolean',
  array: 'array',
  object: 'object',
  filePath: 'string',
  directoryPath: 'string',
} as const;
export type ParameterType = keyof typeof parameterTypes;

export interface ToolParameter {
  readonly name: string;
  readonly description: string;
  readonly type: ParameterType;
  readonly isRequired: boolean;
  readonly defaultValue: string;
  readonly allowedValues: readonly string[];
}

/** Whose they are, as constraints and lists call it. */
export const registeredProvider = 'registered';

const maxParameters = 64;
const maxCommand = 64 * 1024;
const parameterShape = /^[A-Za-z_]\w{0,63}$/;

/** Error: `invalid_request`. */
export function checkDefinition(definition: ToolDefinition): void {
  const { name, parameters, command } = definition;
  if (name === '') throw invalidRequest('name is required');
  if (!toolNameShape.test(name))
    throw invalidRequest('The name of a tool is up to 64 letters, digits, "_" and "-".');
  if (builtInToolNames.has(name)) throw invalidRequest(`"${name}" is a tool of the orchestrator itself.`);
  if (parameters.length > maxParameters)
    throw invalidRequest(`A tool has at most ${maxParameters} parameters.`);
  for (const parameter of parameters) {
    if (!parameterShape.test(parameter.name))
      throw invalidRequest(`The parameter "${parameter.name}" must be a name of letters, digits and "_".`);
  }
  if (command.join(' ').length > maxCommand || command.some((part) => part.includes('\0')))
    throw invalidRequest('The command is too long, or holds a NUL.');
}

/** As others see it. */
export function asTool({ name, description, parameters }: ToolDefinition): Tool {
  const properties = parameters.map((parameter): [string, unknown] => [
    parameter.name,
    {
      type: parameterTypes[parameter.type],
      description: parameter.description,
      ...(parameter.allowedValues.length > 0 && parameterTypes[parameter.type] === 'string'
        ? { enum: parameter.allowedValues }
        : {}),
    },
  ]);
  const required = parameters
    .filter(({ isRequired, defaultValue }) => isRequired && defaultValue === '')
    .map((parameter) => parameter.name);
  const inputSchema = {
    type: 'object',
    properties: Object.fromEntries(properties),
    required,
    additionalProperties: false,
  };
  return { name, provider: registeredProvider, description, inputSchema };
}

/**
 * The run that a call of it is. Its parameters are in the environment, as `TOOL_<NAME>`: never in the command, where a
 * shell would read them. Error: `tool_failed` for a tool without a command.
 */
export function runOf(
  { name, parameters, command, image }: ToolDefinition,
  given: Readonly<Record<string, string>>,
): Pick<RunRequest, 'task' | 'commands' | 'engine' | 'env' | 'metadata'> {
  if (command.length === 0)
    throw new OrchestratorError(
      'UNIMPLEMENTED',
      'tool_failed',
      `The tool ${name} was registered without a command: nothing carries it out.`,
    );
  const line = command.map(quoted).join(' ');
  const env = parameters.flatMap((parameter): [string, string][] => {
    const value = Object.hasOwn(given, parameter.name) ? given[parameter.name] : parameter.defaultValue;
    return value === undefined || value === '' ? [] : [[`TOOL_${parameter.name.toUpperCase()}`, value]];
  });
  return {
    task: line,
    env: Object.fromEntries(env),
    ...(image === '' ? { engine: 'shell', commands: [line] } : { engine: 'container', metadata: { image } }),
  };
}

/** One word of a POSIX shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
