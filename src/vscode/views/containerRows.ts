import { type Container, isContainerLive } from '../../core/containers/container.ts';
import type { ResourceUsage } from '../../core/resources.ts';
import type { Session } from '../../core/sessions/session.ts';
import {
  browsablePorts,
  containerState,
  describePorts,
  describeUsage,
  hasContainerFailed,
} from './describeContainer.ts';
import { type Row, type RowIcon, type RowTree, RowTreeBuilder } from './rows.ts';

export interface ContainerRowsInput {
  readonly sessions: readonly Pick<Session, 'id'>[];
  /** Oldest first. */
  readonly containers: readonly Container[];
  /** What those that run use, by id, as far as it was measured. */
  readonly usage: ReadonlyMap<string, ResourceUsage>;
  readonly now: number;
}

/** Containers below the rows of their sessions: to be joined with those, behind what they have there. */
export function buildContainerRows({ sessions, containers, usage, now }: ContainerRowsInput): RowTree {
  const tree = new RowTreeBuilder();
  const shown = new Set(sessions.map(({ id }) => id));
  for (const container of containers) {
    if (shown.has(container.sessionId)) tree.add(containerRow(container, usage.get(container.id), now));
  }
  return tree;
}

function containerRow(container: Container, usage: ResourceUsage | undefined, now: number): Row {
  const { id, sessionId, name, image } = container;
  const state = containerState(container, now);
  const isRunning = container.state === 'running';
  const facts = [
    ...describePorts(container.ports),
    ...(isRunning && usage !== undefined ? describeUsage(usage) : []),
    // Last: in a narrow side bar, how it is must be seen.
    image,
  ];
  return {
    id: `container:${id}`,
    kind: 'container',
    targetId: id,
    parentId: `session:${sessionId}`,
    label: name,
    description: [state, ...facts].join(' · '),
    icon: containerIcon(container),
    context: ['container', 'copyable', ...abilities(container)].join(' '),
    expansion: 'none',
    accessibilityLabel: `Container ${name}, ${spoken(container, state, usage)}`,
  };
}

/** Signs are read out as words, and figures with what they are figures of. */
function spoken(container: Container, state: string, usage: ResourceUsage | undefined): string {
  const ports = describePorts(container.ports).map((port) => port.replace('→', ' to '));
  const [cpu, memory] = usage === undefined || container.state !== 'running' ? [] : describeUsage(usage);
  return [
    state.replace(' · ', ' at '),
    ...(ports.length === 0 ? [] : [`${ports.length === 1 ? 'port' : 'ports'} ${ports.join(', ')}`]),
    ...(cpu === undefined || memory === undefined ? [] : [`processor ${cpu}`, `memory ${memory}`]),
    `image ${container.image}`,
  ].join(', ');
}

/** Tokens for what can be done with it now. */
function abilities(container: Container): string[] {
  const { state, config } = container;
  const tokens: string[] = [];
  if (isContainerLive(container)) tokens.push('containerLive');
  else if (state !== 'removing') tokens.push('containerEnded');
  if (state === 'running') tokens.push('containerRunning');
  if (state === 'running' && config.tty && config.openInput) tokens.push('containerInput');
  if (state === 'paused') tokens.push('containerPaused');
  if (browsablePorts(container).length > 0) tokens.push('containerPort');
  return tokens;
}

export function containerIcon(container: Container): RowIcon {
  switch (container.state) {
    case 'running':
      return container.health === 'unhealthy'
        ? { id: 'vm-running', color: 'list.warningForeground' }
        : { id: 'vm-running', color: 'testing.iconPassed' };
    case 'paused':
      return { id: 'debug-pause' };
    case 'restarting':
    case 'removing':
      return { id: 'vm-pending' };
    case 'unknown':
      return { id: 'question', color: 'list.warningForeground' };
    case 'created':
    case 'exited':
      return hasContainerFailed(container)
        ? { id: 'error', color: 'list.warningForeground' }
        : { id: 'vm-outline', color: 'disabledForeground' };
  }
}
