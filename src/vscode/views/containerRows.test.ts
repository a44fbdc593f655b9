import { describe, expect, it } from 'vitest';
import type { Container } from '../../core/containers/container.ts';
import type { ResourceUsage } from '../../core/resources.ts';
import { noResourceLimits } from '../../core/resources.ts';
import { buildContainerRows } from './containerRows.ts';
import { browsablePorts, containerFields } from './describeContainer.ts';
import type { Row } from './rows.ts';

const now = new Date('2026-11-21T12:00:00').getTime();
const exitedAt = new Date('2026-11-21T08:14:00').getTime();
const mebibyte = 1024 * 1024;

function container(overrides: Partial<Container> = {}): Container {
  return {
    id: 'c1',
    sessionId: 's1',
    name: 'db',
    image: 'postgres:16',
    state: 'running',
    health: 'none',
    config: {
      entrypoint: [],
      command: ['postgres', '-c', 'fsync=off'],
      envNames: ['POSTGRES_PASSWORD'],
      labels: {},
      mounts: [{ type: 'bind', source: '/work/api', target: '/workspace', readOnly: true }],
      ports: [],
      network: 'bridge',
      networks: [],
      resources: { ...noResourceLimits, memoryBytes: 512 * mebibyte, pidsLimit: 64 },
      restart: { name: 'no', maximumRetryCount: 0 },
      readOnlyRoot: false,
      removeOnStop: false,
      tty: false,
      openInput: false,
    },
    createdAt: now - 60_000,
    startedAt: now - 59_000,
    ports: [],
    addresses: {},
    warnings: [],
    ...overrides,
  };
}

const published = (hostPort: number, containerPort: number, hostIp = '127.0.0.1') =>
  ({ hostPort, containerPort, hostIp, protocol: 'tcp' }) as const;

const usage: ResourceUsage = {
  cpuPercent: 3.4,
  memoryUsage: 84 * mebibyte,
  memoryLimit: 512 * mebibyte,
  memoryPercent: 16,
  networkRx: 0,
  networkTx: 0,
  blockRead: 0,
  blockWrite: 0,
  pidsCount: 7,
};

function rowOf(overrides: Partial<Container> = {}, used?: ResourceUsage): Row {
  const { rows } = buildContainerRows({
    sessions: [{ id: 's1' }],
    containers: [container(overrides)],
    usage: new Map(used === undefined ? [] : [['c1', used]]),
    now,
  });
  const row = rows.get('container:c1');
  if (row === undefined) throw new Error('there is no row');
  return row;
}

const ended = (reason: 'exited' | 'stopped' | 'killed' | 'out_of_memory', exitCode: number) =>
  rowOf({ state: 'exited', exit: { reason, exitCode, exitedAt } });

describe('the row of a container', () => {
  it('says how it is, its ports, what it uses and its image, in this order', () => {
    const row = rowOf({ ports: [published(5432, 5432), published(8080, 80)] }, usage);
    expect(row).toMatchObject({
      parentId: 'session:s1',
      label: 'db',
      description: 'running · 5432 · 8080→80 · 3 % · 84 MiB · postgres:16',
      icon: { id: 'vm-running' },
    });
  });

  it('is read out in words, without signs', () => {
    const row = rowOf({ ports: [published(8080, 80)], health: 'healthy' }, usage);
    expect(row.accessibilityLabel).toBe(
      'Container db, running (healthy), port 8080 to 80, processor 3 %, memory 84 MiB, image postgres:16',
    );
  });

  it.each([
    ['none', 'running · postgres:16'],
    ['starting', 'running (health: starting) · postgres:16'],
    ['healthy', 'running (healthy) · postgres:16'],
    ['unhealthy', 'running (unhealthy) · postgres:16'],
  ] as const)('tells the health %s', (health, description) => {
    expect(rowOf({ health }).description).toBe(description);
  });

  it('tells with which code and why it has ended', () => {
    expect(ended('exited', 0).description).toBe('exited, code 0 · 08:14 · postgres:16');
    expect(ended('exited', 3).description).toBe('exited, code 3 · 08:14 · postgres:16');
    expect(ended('stopped', 143).description).toBe('stopped, code 143 · 08:14 · postgres:16');
    expect(ended('out_of_memory', 137).description).toBe('out of memory, code 137 · 08:14 · postgres:16');
    expect(ended('exited', 0).icon.id).toBe('vm-outline');
    expect(ended('stopped', 143).icon.id).toBe('vm-outline');
    expect(ended('exited', 3).icon.id).toBe('error');
    expect(ended('out_of_memory', 137).icon.id).toBe('error');
    expect(ended('out_of_memory', 137).accessibilityLabel).toBe(
      'Container db, out of memory, code 137 at 08:14, image postgres:16',
    );
  });

  it('shows no figures of one that does not run', () => {
    expect(rowOf({ state: 'paused' }, usage).description).toBe('paused · postgres:16');
  });

  it('offers what can be done with it as it is', () => {
    const base = 'container copyable';
    const terminal = { ...container().config, tty: true, openInput: true };
    expect(rowOf().context).toBe(`${base} containerLive containerRunning`);
    expect(rowOf({ config: terminal }).context).toBe(`${base} containerLive containerRunning containerInput`);
    expect(rowOf({ ports: [published(1, 2)] }).context).toContain('containerPort');
    expect(rowOf({ state: 'paused' }).context).toBe(`${base} containerLive containerPaused`);
    expect(rowOf({ state: 'restarting' }).context).toBe(`${base} containerLive`);
    expect(rowOf({ state: 'created' }).context).toBe(`${base} containerEnded`);
    expect(ended('exited', 0).context).toBe(`${base} containerEnded`);
    expect(rowOf({ state: 'removing' }).context).toBe(base);
  });

  it('is not shown where its session is not', () => {
    const { rows } = buildContainerRows({ sessions: [], containers: [container()], usage: new Map(), now });
    expect(rows.size).toBe(0);
  });
});

describe('ports', () => {
  it('that are bound for both kinds of addresses are one', () => {
    const both = [published(8080, 80, '0.0.0.0'), published(8080, 80, '::')];
    expect(browsablePorts({ ports: both })).toHaveLength(1);
    expect(rowOf({ ports: both }).description).toBe('running · 8080→80 · postgres:16');
  });

  it('of UDP are shown, and no browser is sent there', () => {
    const udp = [{ hostPort: 53, containerPort: 53, protocol: 'udp', hostIp: '' }] as const;
    expect(browsablePorts({ ports: udp })).toEqual([]);
    expect(rowOf({ ports: udp }).description).toBe('running · 53/udp · postgres:16');
  });
});

describe('the tooltip of a container', () => {
  it('tells what it was made with and what it uses, and no value of its environment', () => {
    const fields = new Map(containerFields(container({ ports: [published(8080, 80)] }), usage, now));
    expect(fields.get('Command')).toBe('postgres -c fsync=off');
    expect(fields.get('Environment')).toBe('POSTGRES_PASSWORD');
    expect(fields.get('Mounts')).toBe('/work/api at /workspace (read-only)');
    expect(fields.get('Limits')).toBe('512 MiB, 64 processes');
    expect(fields.get('Uses')).toMatch(/^3 % of a processor, 84 MiB of 512 MiB, 7 processes/);
    expect(fields.has('Note')).toBe(false);
  });

  it('tells why one did not start', () => {
    const exit = { reason: 'start_failed', exitCode: null, exitedAt, error: 'no such program' } as const;
    const fields = new Map(containerFields(container({ state: 'created', exit }), undefined, now));
    expect(fields.get('State')).toBe('did not start · 08:14');
    expect(fields.get('Why')).toBe('no such program');
  });
});
