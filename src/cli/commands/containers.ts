import { OrchestratorError } from '../../base/errors.ts';
import type { Container } from '../../core/containers/container.ts';
import type { ContainerAccess } from '../../core/containers/containerAccess.ts';
import { invalidRequest } from '../../core/text.ts';
import { withServing } from '../access/openAccess.ts';
import type { CommandContext } from '../commandContext.ts';
import { exitCode } from '../exitCodes.ts';
import { formatBytes, formatDuration } from '../output/format.ts';
import { formatTable } from '../output/table.ts';
import { sessionOfDirectory } from '../sessionOfDirectory.ts';
import { untilStopped } from '../untilStopped.ts';
import type { ContainersCall, ContainersFlags } from './containersCall.ts';
import { execInContainer } from './containerExec.ts';
import { buildImage, importImage, listImages, pullImage, removeImages } from './containerImages.ts';
import { networks, volumes } from './containerResources.ts';

type Action = (call: ContainersCall) => Promise<number>;

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
  exec: async (call) => execInContainer(call, await idOf(call.containers, call.words[0])),
  inspect,
  stats,
  images: listImages,
  pull: pullImage,
  build: buildImage,
  import: importImage,
  rmi: removeImages,
  networks,
  volumes,
};

/** What is written down is told without an engine, too. */
const withoutEngine: ReadonlySet<string> = new Set(['ls', 'logs']);

/**
 * Does one thing with the containers of a state directory, through the core that serves it, or one of our own until it
 * is done.
 */
export async function containersCommand(
  context: CommandContext,
  action: string,
  words: readonly string[],
  flags: ContainersFlags,
): Promise<number> {
  const act = Object.hasOwn(actions, action) ? actions[action] : undefined;
  if (act === undefined) {
    throw invalidRequest(
      `There is no "orchestrator containers ${action}"; there are ${Object.keys(actions).join(', ')}.`,
    );
  }
  return withServing(context, async (serving) => {
    const { containers } = serving;
    try {
      // What ended while no core was there is known after that.
      await containers.ready();
    } catch (error) {
      if (!withoutEngine.has(action) || !OrchestratorError.is(error, 'container_engine_missing')) throw error;
      await context.err.writeLine(`orchestrator: ${error.message} What follows is what was known last.`);
    }
    return act({ context, serving, containers, words, flags });
  });
}

async function list({ context, serving, containers }: ContainersCall): Promise<number> {
  const [all, sessions] = await Promise.all([containers.list(), serving.listSessions()]);
  if (context.isJson) {
    await context.out.writeJson({ containers: all });
    return exitCode.ok;
  }
  const now = Date.now();
  const names = new Map(sessions.map(({ id, name }) => [id, name]));
  const rows = all.map((container) => [
    container.id.slice(0, 12),
    stateText(container),
    formatDuration(now - container.createdAt),
    names.get(container.sessionId) ?? '',
    container.ports.map(({ hostPort, containerPort }) => `${hostPort}->${containerPort}`).join(' '),
    container.image,
    container.name,
  ]);
  const header = ['ID', 'STATE', 'AGE', 'SESSION', 'PORTS', 'IMAGE', 'NAME'];
  await context.out.write(formatTable(header, rows, context.out.columns));
  return exitCode.ok;
}

/** What stands on the command line was typed by a person: it is allowed to this container. */
async function run({ context, serving, containers, words, flags }: ContainersCall): Promise<number> {
  const [image, ...command] = words;
  if (image === undefined)
    throw invalidRequest('Name the image: orchestrator containers run IMAGE COMMAND...');
  const session = await sessionOfDirectory(serving, flags.cwd);
  const { network, name } = flags;
  const allow = {
    network: network !== undefined,
    networks: network === undefined ? [] : [network],
    approved: true,
  };
  const { id } = await containers.create({ sessionId: session.id, image, command, name, network, allow });
  const started = await containers.start(id);
  if (flags.detach === true) {
    await (context.isJson ? context.out.writeJson(started) : context.out.writeLine(id));
    return exitCode.ok;
  }
  await printOutput(context, containers, id, true);
  const { exitCode: code } = await containers.waitForExit(id);
  return code ?? exitCode.error;
}

async function logs({ context, containers, words, flags }: ContainersCall): Promise<number> {
  await printOutput(context, containers, await idOf(containers, words[0]), flags.follow === true);
  return exitCode.ok;
}

async function inspect({ context, containers, words }: ContainersCall): Promise<number> {
  const told = await containers.inspect(await idOf(containers, words[0]));
  await context.out.writeLine(JSON.stringify(told, undefined, context.isJson ? undefined : 2));
  return exitCode.ok;
}

async function stats({ context, containers }: ContainersCall): Promise<number> {
  const running = await containers.list({ state: 'running' });
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

/** @param act answers with the container as it then is, or nothing where it is gone. */
function forEach(
  act: (containers: ContainerAccess, id: string, flags: ContainersFlags) => Promise<Container | void>,
): Action {
  return async ({ context, containers, words, flags }) => {
    if (words.length === 0) throw invalidRequest('Name the container.');
    for (const word of words) {
      const id = await idOf(containers, word);
      const container = (await act(containers, id, flags)) ?? undefined;
      await (context.isJson
        ? context.out.writeJson(container ?? { id, removed: true })
        : context.out.writeLine(
            `${id.slice(0, 12)} ${container === undefined ? 'removed' : stateText(container)}`,
          ));
    }
    return exitCode.ok;
  };
}

/** Ctrl-C ends the looking, not the container. */
async function printOutput(
  { out, err }: CommandContext,
  containers: ContainerAccess,
  id: string,
  follows: boolean,
): Promise<void> {
  const stop = new AbortController();
  out.onDidClose(() => stop.abort());
  const print = async (): Promise<void> => {
    for await (const { stream, data } of containers.output.follow(id, { follows, signal: stop.signal })) {
      await (stream === 'stderr' ? err : out).write(data);
    }
  };
  await untilStopped(stop, print());
}

/** The container of an id, the beginning of one, or a name that only one has. */
async function idOf(containers: ContainerAccess, word: string | undefined): Promise<string> {
  if (word === undefined || word === '') throw invalidRequest('Name the container.');
  const all = await containers.list();
  const matches = all.filter(({ id, name }) => id.startsWith(word) || name === word);
  const [first, second] = matches;
  if (second !== undefined)
    throw invalidRequest(`"${word}" is ${matches.length} containers. Give more of the id.`);
  return first?.id ?? (await containers.get(word)).id;
}

function stateText({ state, exit, health }: Container): string {
  if (exit === undefined) return health === 'none' ? state : `${state} (${health})`;
  return exit.reason === 'exited' ? `exited (${exit.exitCode ?? '?'})` : exit.reason.replaceAll('_', ' ');
}
