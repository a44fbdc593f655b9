import * as vscode from 'vscode';
import { OrchestratorError } from '../../base/errors.ts';
import { type Container, isContainerLive } from '../../core/containers/container.ts';
import type { LiveContainers } from '../../core/liveOrchestrator.ts';
import type { EngineInfo, PortBinding } from '../../core/ports/containerEngine.ts';
import { commandIds } from '../contributions/ids.ts';
import { confirm } from '../ui/problems.ts';
import { forEachWithProgress } from '../ui/progress.ts';
import { containerIcon } from '../views/containerRows.ts';
import { browsablePorts, containerState, describePorts } from '../views/describeContainer.ts';
import { count, formatElapsed } from '../views/format.ts';
import type { CommandArguments, CommandContext, CommandHandler } from './context.ts';
import { type ContainerPlace, containersOf, hasEngine } from './containerEngine.ts';
import { createContainer } from './createContainer.ts';
import { hasTarget, pick, targetIds } from './targets.ts';

interface Question {
  readonly title: string;
  readonly none: string;
  readonly accepts?: (container: Container) => boolean;
}

async function ask(
  args: CommandArguments,
  containers: LiveContainers,
  { title, none, accepts = () => true }: Question,
): Promise<Container[]> {
  if (hasTarget(args)) {
    return targetIds(args, 'container')
      .flatMap((id) => containers.find(id) ?? [])
      .filter(accepts);
  }
  const now = Date.now();
  const choices = containers
    .list()
    .filter(accepts)
    .map((container) => ({
      label: container.name,
      description: [containerState(container, now), ...describePorts(container.ports)].join(' · '),
      detail: container.image,
      iconPath: new vscode.ThemeIcon(containerIcon(container).id),
      value: container,
    }));
  const picked = await pick(title, choices, none);
  return picked === undefined ? [] : [picked];
}

const isRunning = ({ state }: Container): boolean => state === 'running';
const isEnded = (container: Container): boolean =>
  !isContainerLive(container) && container.state !== 'removing';

/** A command that shows something of the containers that its arguments name, and needs no engine for it. */
function shows(
  question: Question,
  show: (container: Container, place: ContainerPlace, context: CommandContext) => unknown,
): CommandHandler {
  return async (context, args) => {
    const place = containersOf(await context.place(args));
    for (const container of await ask(args, place.containers, question))
      await show(container, place, context);
  };
}

/** A command that the engine carries out on each of the containers that its arguments name. */
function changes(
  question: Question & {
    readonly doing: string;
    /** Undefined where nothing is lost. */
    readonly confirms?: (containers: readonly Container[], place: ContainerPlace) => Promise<boolean>;
  },
  change: (containers: LiveContainers, id: string) => Promise<unknown>,
): CommandHandler {
  return async (context, args) => {
    const place = containersOf(await context.place(args));
    const chosen = await ask(args, place.containers, question);
    if (chosen.length === 0) return;
    if (question.confirms !== undefined && !(await question.confirms(chosen, place))) return;
    if (!(await hasEngine(place.containers))) return;
    await forEachWithProgress(
      `${question.doing} ${containersText(chosen)}`,
      chosen,
      ({ name }) => name,
      ({ id }) => change(place.containers, id),
    );
  };
}

function containersText(containers: readonly Container[]): string {
  const [first] = containers;
  return containers.length === 1 ? `container "${first?.name ?? ''}"` : count(containers.length, 'container');
}

/** `db (postgres:16), running for 1:02:03`, one a line. */
function listed(containers: readonly Container[]): string {
  const now = Date.now();
  const lines = containers.map((container) => {
    const { name, image, startedAt } = container;
    const since =
      isContainerLive(container) && startedAt !== undefined
        ? `${container.state} for ${formatElapsed(now - startedAt)}`
        : containerState(container, now);
    return `${name} (${image}), ${since}`;
  });
  const more = lines.length - 10;
  return [...lines.slice(0, 10), ...(more > 0 ? [`and ${more} more`] : [])].join('\n');
}

function shellsText(containers: readonly Container[], { terminals }: ContainerPlace): string {
  const shells = containers.reduce((sum, { id }) => sum + terminals.shellsIn(id), 0);
  return shells === 0 ? '' : ` ${count(shells, 'open shell')} ${shells === 1 ? 'ends' : 'end'} too.`;
}

function confirmsEnd(
  deed: 'Stop' | 'Kill',
): (containers: readonly Container[], place: ContainerPlace) => Promise<boolean> {
  return (containers, place) => {
    const isOne = containers.length === 1;
    const ends =
      deed === 'Stop'
        ? `${isOne ? 'Its program is' : 'Their programs are'} asked to end, and ended by force after 10 s.`
        : `${isOne ? 'Its program ends' : 'Their programs end'} at once and can save nothing.`;
    const gone = containers.filter(({ config }) => config.removeOnStop);
    const kept =
      gone.length === 0
        ? 'Files and output are kept.'
        : isOne
          ? 'It is removed then, with its files and its output.'
          : `${gone.map(({ name }) => name).join(', ')}: removed then, with files and output. Of the others both are kept.`;
    const detail = `${listed(containers)}\n\n${ends}${shellsText(containers, place)} ${kept}`;
    return confirm(`${deed} ${containersText(containers)}?`, detail, deed);
  };
}

function confirmRemoval(containers: readonly Container[], place: ContainerPlace): Promise<boolean> {
  const running = containers.filter(isContainerLive);
  const ends =
    running.length === 0
      ? ''
      : `${running.length === 1 ? '1 is' : `${running.length} are`} still running and ${running.length === 1 ? 'is' : 'are'} killed.${shellsText(running, place)} `;
  const lost =
    'Everything written in it and its saved output are deleted; folders and volumes that it had mounted stay. This cannot be undone.';
  const detail = `${listed(containers)}\n\n${ends}${containers.length === 1 ? lost : lost.replace('in it and its', 'in them and their').replace('that it had', 'that they had')}`;
  return confirm(`Remove ${containersText(containers)}?`, detail, 'Remove');
}

const openPort: CommandHandler = async (context, args) => {
  const { containers } = containersOf(await context.place(args));
  const [container] = await ask(args, containers, {
    title: 'Open a port of which container?',
    none: 'No container has a published port.',
    accepts: (each) => browsablePorts(each).length > 0,
  });
  if (container === undefined) return;
  const ports = browsablePorts(container);
  const choices = ports.map((port) => ({
    label: String(port.containerPort),
    description: `at ${addressOf(port, containers.engine)}`,
    iconPath: new vscode.ThemeIcon('globe'),
    value: port,
  }));
  const port =
    ports.length === 1 ? ports[0] : await pick(`Open which port of ${container.name}?`, choices, '');
  if (port === undefined) return;
  const address = addressOf(port, containers.engine);
  // Where VS Code runs elsewhere, this makes it an address that the person's browser reaches.
  const uri = await vscode.env.asExternalUri(vscode.Uri.parse(address));
  await vscode.env.openExternal(uri);
};

/** Error: `invalid_request` for a port that only the engine's own machine reaches. */
function addressOf({ hostIp, hostPort, containerPort }: PortBinding, engine: EngineInfo | undefined): string {
  const isEverywhere = hostIp === '' || hostIp === '0.0.0.0' || hostIp === '::';
  const isLoopback = hostIp.startsWith('127.') || hostIp === '::1';
  let host = isEverywhere || isLoopback ? 'localhost' : hostIp.includes(':') ? `[${hostIp}]` : hostIp;
  if (engine?.isLocal === false && host === 'localhost') {
    if (isLoopback) {
      throw new OrchestratorError(
        'FAILED_PRECONDITION',
        'invalid_request',
        `Port ${hostPort} is published on the engine's machine for itself only. Publish it at an address of that machine: 0.0.0.0:${hostPort}:${containerPort}.`,
      );
    }
    host = URL.parse(engine.address)?.hostname ?? host;
  }
  const scheme = containerPort === 443 || containerPort === 8443 ? 'https' : 'http';
  return `${scheme}://${host}:${hostPort}`;
}

const whichOf = (deed: string): string => `${deed} which container?`;
const noneRuns = 'No container is running.';
const noneThere = 'There is no container yet. Create Container… makes one.';

export const containerCommands = {
  [commandIds.createContainer]: createContainer,
  [commandIds.showContainerLogs]: shows(
    { title: 'Show the logs of which container?', none: noneThere },
    (container, { terminals }) => terminals.showLogs(container),
  ),
  [commandIds.openContainerShell]: shows(
    { title: 'Open a shell in which container?', none: noneRuns, accepts: isRunning },
    (container, { terminals }) => terminals.openShell(container),
  ),
  [commandIds.attachContainer]: shows(
    {
      title: 'Attach to which container?',
      none: 'No container that runs was made with a terminal.',
      accepts: ({ state, config }) => state === 'running' && config.tty && config.openInput,
    },
    (container, { terminals }) => terminals.attach(container),
  ),
  [commandIds.inspectContainer]: shows(
    { title: whichOf('Inspect'), none: noneThere },
    async (container, { containers }, { documents }) => {
      if (await hasEngine(containers)) await documents.open({ container });
    },
  ),
  [commandIds.openContainerPort]: openPort,
  [commandIds.startContainer]: changes(
    {
      title: whichOf('Start'),
      none: 'There is no container that could be started.',
      doing: 'Starting',
      accepts: isEnded,
    },
    (containers, id) => containers.start(id),
  ),
  [commandIds.stopContainer]: changes(
    {
      title: whichOf('Stop'),
      none: noneRuns,
      doing: 'Stopping',
      accepts: isContainerLive,
      confirms: confirmsEnd('Stop'),
    },
    (containers, id) => containers.stop(id),
  ),
  [commandIds.restartContainer]: changes(
    { title: whichOf('Restart'), none: noneRuns, doing: 'Restarting', accepts: isContainerLive },
    (containers, id) => containers.restart(id),
  ),
  [commandIds.pauseContainer]: changes(
    { title: whichOf('Pause'), none: noneRuns, doing: 'Pausing', accepts: isRunning },
    (containers, id) => containers.pause(id),
  ),
  [commandIds.resumeContainer]: changes(
    {
      title: whichOf('Resume'),
      none: 'No container is paused.',
      doing: 'Resuming',
      accepts: ({ state }) => state === 'paused',
    },
    (containers, id) => containers.unpause(id),
  ),
  [commandIds.killContainer]: changes(
    {
      title: whichOf('Kill'),
      none: noneRuns,
      doing: 'Killing',
      accepts: isContainerLive,
      confirms: confirmsEnd('Kill'),
    },
    (containers, id) => containers.kill(id),
  ),
  [commandIds.removeContainer]: changes(
    { title: whichOf('Remove'), none: noneThere, doing: 'Removing', confirms: confirmRemoval },
    (containers, id) => containers.remove(id, { force: true }),
  ),
};
