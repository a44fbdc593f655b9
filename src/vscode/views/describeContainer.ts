import { type Container, type ContainerExit, isContainerLive } from '../../core/containers/container.ts';
import type { PortBinding } from '../../core/ports/containerEngine.ts';
import type { ResourceUsage } from '../../core/resources.ts';
import { count, formatBytes, formatTime } from './format.ts';

/** What rows, quick picks, questions and tooltips say about a container: one wording for all of them. */

const exitWords: Readonly<Record<ContainerExit['reason'], string>> = {
  exited: 'exited',
  stopped: 'stopped',
  killed: 'killed',
  out_of_memory: 'out of memory',
  start_failed: 'did not start',
  lost: 'lost',
};

/** `running`, `running (healthy)`, `paused`, `out of memory, code 137 · 08:14`: how the container is. */
export function containerState(container: Container, now: number): string {
  const { state, health, exit } = container;
  if (exit !== undefined && !isContainerLive(container)) {
    return `${describeContainerExit(exit)} · ${formatTime(exit.exitedAt, now)}`;
  }
  if (state === 'created') return 'not started';
  if (state !== 'running' || health === 'none') return state;
  return `running (${health === 'starting' ? 'health: starting' : health})`;
}

/** `exited, code 3`, `out of memory, code 137`, `did not start`. */
export function describeContainerExit({ reason, exitCode }: ContainerExit): string {
  const code = exitCode === null || reason === 'start_failed' ? '' : `, code ${exitCode}`;
  return `${exitWords[reason]}${code}`;
}

/** Whether it ended in a way that nobody has asked for. */
export function hasContainerFailed({ exit }: Container): boolean {
  if (exit === undefined || exit.reason === 'stopped' || exit.reason === 'killed') return false;
  return exit.reason !== 'exited' || exit.exitCode !== 0;
}

/** `8080→80`, `5432`, `53/udp`: each port once, where an engine has bound it for both kinds of addresses. */
export function describePorts(ports: readonly PortBinding[]): readonly string[] {
  const texts = ports.map(({ hostPort, containerPort, protocol }) => {
    const text = hostPort === containerPort ? String(hostPort) : `${hostPort}→${containerPort}`;
    return protocol === 'udp' ? `${text}/udp` : text;
  });
  return [...new Set(texts)];
}

/** Ports that a browser may find something at. */
export function browsablePorts({ ports }: Pick<Container, 'ports'>): readonly PortBinding[] {
  const tcp = ports.filter(({ protocol, hostPort }) => protocol === 'tcp' && hostPort > 0);
  return [...new Map(tcp.map((port) => [port.hostPort, port])).values()];
}

/** `3 %`, `84 MiB`: as a row shows it. */
export function describeUsage({ cpuPercent, memoryUsage }: ResourceUsage): readonly string[] {
  return [`${Math.round(cpuPercent)} %`, formatBytes(memoryUsage)];
}

type Field = readonly [name: string, value: string];

/** Everything that the tooltip tells, without what there is nothing to tell of. */
export function containerFields(
  container: Container,
  usage: ResourceUsage | undefined,
  now: number,
): readonly Field[] {
  const { config, exit, startedAt } = container;
  const fields: Field[] = [
    ['State', containerState(container, now)],
    ['Why', exit?.error ?? ''],
    ['Image', container.image],
    ['Command', [...config.entrypoint, ...config.command].join(' ')],
    ['Ports', describePorts(container.ports).join(', ')],
    ['Network', describeNetwork(container)],
    ['Mounts', config.mounts.map(describeMount).join(', ')],
    ['Environment', config.envNames.join(', ')],
    ['Limits', describeLimits(container)],
    ['Uses', usage === undefined ? '' : describeUsageInFull(usage)],
    ['Traffic', usage === undefined ? '' : describeTraffic(usage)],
    ['Created', formatTime(container.createdAt, now)],
    ['Started', startedAt === undefined ? '' : formatTime(startedAt, now)],
    ['Restarts', config.restart.name === 'no' ? '' : config.restart.name],
    ['Note', container.warnings.join(' ')],
  ];
  return fields.filter(([, value]) => value !== '');
}

function describeNetwork({ config, addresses }: Container): string {
  const named = Object.entries(addresses).filter(([, address]) => address !== '');
  return named.length === 0
    ? config.network
    : named.map(([network, address]) => `${network} (${address})`).join(', ');
}

function describeMount({ type, source, target, readOnly }: Container['config']['mounts'][number]): string {
  return `${type === 'tmpfs' ? 'memory' : source} at ${target}${readOnly ? ' (read-only)' : ''}`;
}

function describeLimits({ config }: Container): string {
  const { nanoCpus, memoryBytes, pidsLimit = 0 } = config.resources;
  return [
    ...(nanoCpus > 0 ? [count(nanoCpus / 1e9, 'processor')] : []),
    ...(memoryBytes > 0 ? [formatBytes(memoryBytes)] : []),
    ...(pidsLimit > 0 ? [count(pidsLimit, 'process', 'processes')] : []),
  ].join(', ');
}

function describeUsageInFull(usage: ResourceUsage): string {
  const limit = usage.memoryLimit > 0 ? ` of ${formatBytes(usage.memoryLimit)}` : '';
  return [
    `${Math.round(usage.cpuPercent)} % of a processor`,
    `${formatBytes(usage.memoryUsage)}${limit}`,
    count(usage.pidsCount, 'process', 'processes'),
  ].join(', ');
}

function describeTraffic(usage: ResourceUsage): string {
  return [
    `network ${formatBytes(usage.networkRx)} in, ${formatBytes(usage.networkTx)} out`,
    `disk ${formatBytes(usage.blockRead)} read, ${formatBytes(usage.blockWrite)} written`,
  ].join(', ');
}
