import { invalidRequest } from '../../core/text.ts';
import type { Container } from '../../core/containers/container.ts';
import type { ContainerManager } from '../../core/containers/containerManager.ts';
import type { Orchestrator } from '../../core/orchestrator.ts';
import type { CommandContext } from '../commandContext.ts';
import { openCore } from '../composition.ts';
import { exitCode } from '../exitCodes.ts';
import { formatBytes, formatDuration } from '../output/format.ts';
import { formatTable } from '../output/table.ts';

export interface ContainersFlags {
  readonly cwd?: string | undefined;
  readonly name?: string | undefined;
  readonly network?: string | undefined;
  readonly follow?: boolean | undefined;
  readonly force?: boolean | undefined;
  readonly detach?: boolean | undefined;
}

interface Call {
  readonly context: CommandContext;
  readonly core: Orchestrator;
  readonly containers: ContainerManager;
  readonly words: readonly string[];
  readonly flags: ContainersFlags;
}

type Action = (call: Call) => Promise<number>;

const actions: Readonly<Record<string, Action>> = {
  ls: list,
  run,
  start: forEach((containers, id) => containers.start(id)),
  stop: forEach((containers, id) => containers.stop(id)),
  restart: forEach((containers, id) => containers.restart(id)),
  kill: forEach((containers, id) => containers.kill(id)),
  pause: forEach((containers, id) => containers.pause(id)),
  unpause: forEach((containers, id) => containers.unpause(id)),
  rm: forEach((containers, id, { force }) => containers.remove(id, { force })),
  logs,
  exec,
  inspect,
  stats,
  images,
  pull,
};

export const containerActions = Object.keys(actions).join(', ');

/** Does one thing with the containers of a state directory, which no other core may serve meanwhile. */
export async function containersCommand(
  context: CommandContext,
  action: string,
  words: readonly string[],
  flags: ContainersFlags,
): Promise<number> {
  const act = Object.hasOwn(actions, action) ? actions[action] : undefined;
  if (act === undefined) {
    throw invalidRequest(`There is no "orchestrator containers ${action}"; there are ${containerActions}.`);
  }
  const core = await openCore({
    stateDir: context.stateDir,
    kind: 'run',
    isDoorComing: false,
    logger: context.logger,
  });
  try {
    const { containers } = core.orchestrator;
    await containers.ready();
    return await act({ context, core: core.orchestrator, containers, words, flags });
  } finally {
    await core.close({ endIdleHost: true });
  }
}

async function list({ context, core, containers }: Call): Promise<number> {
  const all = containers.list();
  if (context.isJson) {
    await context.out.writeJson({ containers: all });
    return exitCode.ok;
  }
  const now = Date.now();
  const rows = all.map((container) => [
    container.id.slice(0, 12),
    stateText(container),
    formatDuration(now - container.createdAt),
    core.sessions.find(container.sessionId)?.name ?? '',
    container.ports.map(({ hostPort, containerPort }) => `${hostPort}->${containerPort}`).join(' '),
    container.image,
    container.name,
  ]);
  const header = ['ID', 'STATE', 'AGE', 'SESSION', 'PORTS', 'IMAGE', 'NAME'];
  await context.out.write(formatTable(header, rows, context.out.columns));
  return exitCode.ok;
}

/** What stands on the command line was typed by a person: it is allowed to this container. */
async function run({ context, core, containers, words, flags }: Call): Promise<number> {
  const [image, ...command] = words;
  if (image === undefined)
    throw invalidRequest('Name the image: orchestrator containers run IMAGE COMMAND...');
  const session = await core.sessions.ensureDefault(flags.cwd ?? process.cwd());
  const { network, name } = flags;
  const allow = { network: network !== undefined, networks: network === undefined ? [] : [network] };
  const made = await containers.create({ sessionId: session.id, image, command, name, network, allow });
  await containers.start(made.id);
  if (flags.detach === true) {
    await (context.isJson ? context.out.writeJson(containers.get(made.id)) : context.out.writeLine(made.id));
    return exitCode.ok;
  }
  await printOutput(context, containers, made.id, true);
  const { exitCode: code } = await containers.waitForExit(made.id);
  return code ?? exitCode.error;
}

async function logs({ context, containers, words, flags }: Call): Promise<number> {
  await printOutput(context, containers, idOf(containers, words[0]), flags.follow === true);
  return exitCode.ok;
}

async function exec({ context, containers, words }: Call): Promise<number> {
  const [id, ...command] = words;
  const ended = await containers.exec(
    idOf(containers, id),
    { command },
    {
      onData: async (stream, data) => {
        await (stream === 'stderr' ? context.err : context.out).write(data);
      },
      onEnd: () => undefined,
    },
  );
  return (await ended.exitCode) ?? exitCode.error;
}

async function inspect({ context, containers, words }: Call): Promise<number> {
  const told = await containers.inspect(idOf(containers, words[0]));
  await context.out.writeLine(JSON.stringify(told, undefined, context.isJson ? undefined : 2));
  return exitCode.ok;
}

async function stats({ context, containers }: Call): Promise<number> {
  const running = containers.list({ state: 'running' });
  const used = await Promise.all(
    running.map(async (container) => ({ container, usage: await containers.usage(container.id) })),
  );
  if (context.isJson) {
    await context.out.writeJson({
      containers: used.map(({ container, usage }) => ({ id: container.id, ...usage })),
    });
    return exitCode.ok;
  }
  const rows = used.map(({ container, usage }) => [
    container.id.slice(0, 12),
    `${usage.cpuPercent.toFixed(1)} %`,
    `${formatBytes(usage.memoryUsage)} of ${formatBytes(usage.memoryLimit)}`,
    String(usage.pidsCount),
    container.name,
  ]);
  await context.out.write(formatTable(['ID', 'CPU', 'MEMORY', 'PIDS', 'NAME'], rows, context.out.columns));
  return exitCode.ok;
}

async function images({ context, containers }: Call): Promise<number> {
  const all = await containers.images.list();
  if (context.isJson) {
    await context.out.writeJson({ images: all });
    return exitCode.ok;
  }
  const rows = all.map(({ id, tags, sizeBytes }) => [
    id.replace(/^sha256:/, '').slice(0, 12),
    formatBytes(sizeBytes),
    tags.join(' '),
  ]);
  await context.out.write(formatTable(['ID', 'SIZE', 'TAGS'], rows, context.out.columns));
  return exitCode.ok;
}

async function pull({ context, containers, words }: Call): Promise<number> {
  await containers.images.pull(words[0] ?? '', {
    onProgress: ({ message }) => context.logger.info(message),
  });
  return exitCode.ok;
}

function forEach(
  act: (containers: ContainerManager, id: string, flags: ContainersFlags) => Promise<unknown>,
): Action {
  return async ({ context, containers, words, flags }) => {
    if (words.length === 0) throw invalidRequest('Name the container.');
    for (const word of words) {
      const id = idOf(containers, word);
      await act(containers, id, flags);
      const container = containers.find(id);
      await (context.isJson
        ? context.out.writeJson(container ?? { id, removed: true })
        : context.out.writeLine(
            `${id.slice(0, 12)} ${container === undefined ? 'removed' : stateText(container)}`,
          ));
    }
    return exitCode.ok;
  };
}

async function printOutput(
  { out, err }: CommandContext,
  containers: ContainerManager,
  id: string,
  follows: boolean,
): Promise<void> {
  for await (const { stream, data } of containers.output.follow(id, { follows })) {
    await (stream === 'stderr' ? err : out).write(data);
  }
}

/** The container of an id, the beginning of one, or a name that only one has. */
function idOf(containers: ContainerManager, word: string | undefined): string {
  if (word === undefined || word === '') throw invalidRequest('Name the container.');
  const matches = containers.list().filter(({ id, name }) => id.startsWith(word) || name === word);
  const [first, second] = matches;
  if (second !== undefined)
    throw invalidRequest(`"${word}" is ${matches.length} containers. Give more of the id.`);
  return first?.id ?? containers.get(word).id;
}

function stateText({ state, exit, health }: Container): string {
  if (exit === undefined) return health === 'none' ? state : `${state} (${health})`;
  return exit.reason === 'exited' ? `exited (${exit.exitCode ?? '?'})` : exit.reason.replaceAll('_', ' ');
}
