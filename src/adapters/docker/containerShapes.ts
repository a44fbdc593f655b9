import type Dockerode from 'dockerode';
import type {
  ContainerHealth,
  ContainerState,
  EngineContainer,
  EngineContainerSpec,
  EngineContainerSummary,
  PortBinding,
} from '../../core/ports/containerEngine.ts';
import type { ResourceUsage } from '../../core/resources.ts';

/** What the engine says of containers in our words, and the other way round. */

const states: ReadonlySet<string> = new Set<ContainerState>([
  'created',
  'running',
  'paused',
  'restarting',
  'exited',
  'removing',
]);

export function stateOf(status: string): ContainerState {
  return states.has(status) ? (status as ContainerState) : 'unknown';
}

export function summaryOf(info: Dockerode.ContainerInfo): EngineContainerSummary {
  return {
    id: info.Id,
    name: (info.Names[0] ?? '').replace(/^\//, ''),
    image: info.Image,
    state: stateOf(info.State),
    labels: info.Labels,
    createdAt: info.Created * 1_000,
  };
}

export function containerOf(info: Dockerode.ContainerInspectInfo): EngineContainer {
  const { State: state, Config: config, NetworkSettings: network } = info;
  const isEnded = state.Status === 'exited' || state.Status === 'dead';
  return {
    id: info.Id,
    name: info.Name.replace(/^\//, ''),
    image: config.Image,
    state: state.Status === 'dead' ? 'exited' : stateOf(state.Status),
    labels: config.Labels,
    createdAt: timeOf(info.Created) ?? 0,
    health: healthOf(state.Health?.Status),
    startedAt: timeOf(state.StartedAt),
    exitedAt: isEnded ? timeOf(state.FinishedAt) : undefined,
    exitCode: isEnded ? state.ExitCode : undefined,
    isOutOfMemory: state.OOMKilled,
    error: state.Error,
    restarts: info.RestartCount,
    pid: state.Pid,
    tty: config.Tty,
    ports: portsOf(network.Ports),
    addresses: Object.fromEntries(
      Object.entries(network.Networks).map(([name, { IPAddress }]) => [name, IPAddress]),
    ),
  };
}

function healthOf(status: string | undefined): ContainerHealth {
  return status === 'starting' || status === 'healthy' || status === 'unhealthy' ? status : 'none';
}

/** Go's zero time stands for never. */
function timeOf(text: string): number | undefined {
  const time = Date.parse(text);
  return Number.isNaN(time) || time <= 0 ? undefined : time;
}

/** The engine says null where it has nothing to say, which its types do not tell. */
type EnginePorts = Readonly<
  Record<string, readonly { readonly HostIp: string; readonly HostPort: string }[] | null>
>;

function portsOf(ports: EnginePorts | null): PortBinding[] {
  return Object.entries(ports ?? {}).flatMap(([key, bindings]) => {
    const [port, protocol] = key.split('/');
    return (bindings ?? []).map(
      ({ HostIp, HostPort }): PortBinding => ({
        containerPort: Number(port),
        hostPort: Number(HostPort),
        protocol: protocol === 'udp' ? 'udp' : 'tcp',
        hostIp: HostIp,
      }),
    );
  });
}

/**
 * Safe defaults are here and nowhere else: no new privileges, no capability but those that are asked for, and never
 * the host's network, processes or IPC.
 */
export function createOptions(
  spec: EngineContainerSpec,
  kind: 'docker' | 'podman',
): Dockerode.ContainerCreateOptions {
  const { resources, health, restart } = spec;
  const portKey = ({ containerPort, protocol }: PortBinding): string => `${containerPort}/${protocol}`;
  const bindings: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const port of spec.ports) {
    (bindings[portKey(port)] ??= []).push({
      HostIp: port.hostIp === '' ? '127.0.0.1' : port.hostIp,
      HostPort: port.hostPort === 0 ? '' : String(port.hostPort),
    });
  }
  return {
    name: spec.name,
    Image: spec.image,
    ...(spec.entrypoint.length > 0 ? { Entrypoint: [...spec.entrypoint] } : {}),
    ...(spec.command.length > 0 ? { Cmd: [...spec.command] } : {}),
    Env: Object.entries(spec.env).map(([name, value]) => `${name}=${value}`),
    WorkingDir: spec.workingDir,
    User: spec.user,
    Labels: { ...spec.labels },
    Tty: spec.tty,
    OpenStdin: spec.openInput,
    StdinOnce: false,
    AttachStdout: true,
    AttachStderr: true,
    ExposedPorts: Object.fromEntries(spec.ports.map((port) => [portKey(port), {}])),
    Healthcheck:
      health === undefined
        ? undefined
        : {
            Test: ['CMD', ...health.command],
            Interval: health.intervalMs * 1e6,
            Timeout: health.timeoutMs * 1e6,
            Retries: health.retries,
            StartPeriod: health.startPeriodMs * 1e6,
          },
    HostConfig: {
      NetworkMode: spec.network,
      PortBindings: bindings,
      ExtraHosts: [...spec.extraHosts],
      Mounts: spec.mounts.map(({ type, source, target, readOnly }) => ({
        Type: type,
        Source: type === 'tmpfs' ? '' : source,
        Target: target,
        ReadOnly: readOnly,
      })),
      NanoCpus: resources.nanoCpus,
      Memory: resources.memoryBytes,
      MemorySwap: resources.memorySwap,
      PidsLimit: resources.pidsLimit,
      RestartPolicy: { Name: restart.name, MaximumRetryCount: restart.maximumRetryCount },
      ReadonlyRootfs: spec.readOnlyRoot,
      CapDrop: ['ALL'],
      CapAdd: [...spec.capabilities],
      SecurityOpt: ['no-new-privileges'],
      // Keeps the bytes as they are, which json-file does not, so that a core that was away finds all of them.
      ...(kind === 'docker'
        ? { LogConfig: { Type: 'local', Config: { 'max-size': '1g', 'max-file': '1', compress: 'false' } } }
        : {}),
    },
  };
}

/** As `docker stats` counts: two readings of the engine, a second apart or since its last one. */
export function usageOf(stats: Dockerode.ContainerStats): ResourceUsage {
  const cpu = stats.cpu_stats.cpu_usage.total_usage - stats.precpu_stats.cpu_usage.total_usage;
  const system = stats.cpu_stats.system_cpu_usage - stats.precpu_stats.system_cpu_usage;
  const cpus = stats.cpu_stats.online_cpus;
  const memory = stats.memory_stats as Partial<Dockerode.MemoryStats>;
  const cache = memory.stats?.total_inactive_file ?? memory.stats?.inactive_file ?? 0;
  const memoryUsage = Math.max(0, (memory.usage ?? 0) - cache);
  const memoryLimit = memory.limit ?? 0;
  const networks = Object.values((stats.networks as typeof stats.networks | undefined) ?? {});
  const blocks =
    (stats.blkio_stats?.io_service_bytes_recursive as { op: string; value: number }[] | null) ?? [];
  const blockBytes = (name: string): number =>
    sum(blocks.filter(({ op }) => op.toLowerCase() === name).map(({ value }) => value));
  return {
    cpuPercent: system > 0 && cpu > 0 ? (cpu / system) * cpus * 100 : 0,
    memoryUsage,
    memoryLimit,
    memoryPercent: memoryLimit > 0 ? (memoryUsage / memoryLimit) * 100 : 0,
    networkRx: sum(networks.map(({ rx_bytes }) => rx_bytes)),
    networkTx: sum(networks.map(({ tx_bytes }) => tx_bytes)),
    blockRead: blockBytes('read'),
    blockWrite: blockBytes('write'),
    pidsCount: (stats.pids_stats as { current?: number }).current ?? 0,
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
