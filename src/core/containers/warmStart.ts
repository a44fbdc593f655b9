import type { EngineContainerSpec, EngineImage } from '../ports/containerEngine.ts';
import type { CreateContainerRequest } from './container.ts';

/** What a warm container can be told when it is used, and what it must have been made with. No I/O. */

const shell = '/bin/sh';

/**
 * Whether the shell that waits can become what is asked for: a program without an input and a terminal, that is started
 * once. A port of the host's that was chosen would be taken by the container that waits.
 */
export function isPoolable(request: CreateContainerRequest): boolean {
  const { isWarmable, tty, openInput, restart, ports = [], env = {} } = request;
  return (
    isWarmable === true &&
    tty !== true &&
    openInput !== true &&
    (restart === undefined || restart.name === 'no') &&
    ports.every(({ hostPort }) => hostPort === 0) &&
    Object.keys(env).every((name) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
  );
}

/** What the engine would start; undefined where nothing says it, or the shell would take it for an option. */
export function programOf(
  request: CreateContainerRequest,
  image: EngineImage,
): readonly string[] | undefined {
  if (image.start === undefined) return undefined;
  const { entrypoint = [], command = [] } = request;
  const program =
    entrypoint.length > 0
      ? [...entrypoint, ...command]
      : [...image.start.entrypoint, ...(command.length > 0 ? command : image.start.command)];
  const [file] = program;
  return file === undefined || file === '' || file.startsWith('-') ? undefined : program;
}

/** Equal for what one warm container could serve: all that it is made with, of one session and one image. */
export function shapeOf(sessionId: string, imageId: string, spec: EngineContainerSpec): string {
  const { name: _, labels: __, entrypoint: ___, command: ____, env: _____, ...made } = spec;
  return JSON.stringify([sessionId, imageId, Object.entries(made).sort(([a], [b]) => (a < b ? -1 : 1))]);
}

/** What is made: a shell that reads what it is to do. */
export function waitingSpec(spec: EngineContainerSpec, imageId: string): EngineContainerSpec {
  return { ...spec, image: imageId, entrypoint: [shell], command: [], env: {}, openInput: true };
}

/** The shell becomes the program, as the container's first process; values pass through its input and stand nowhere else. */
export function startScript(program: readonly string[], env: Readonly<Record<string, string>>): string {
  const variables = Object.entries(env).map(([name, value]) => `export ${name}=${quoted(value)}\n`);
  return `unset OLDPWD SHLVL\n${variables.join('')}exec ${program.map(quoted).join(' ')} </dev/null\n`;
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
