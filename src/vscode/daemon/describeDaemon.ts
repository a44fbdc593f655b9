import type { OrchestratorError } from '../../base/errors.ts';
import type { DaemonView, LoadSeries } from '../../protocol/daemonView.ts';
import type { DaemonStatus } from '../../protocol/daemon/shapes.ts';
import { count, formatBytes, formatElapsed } from '../views/format.ts';
import type { LoadSample } from './loadHistory.ts';

/** How far back the chart goes, in seconds. */
export const loadSpan = 120;
/** Between two samples that are so far apart nobody looked. */
const gapMs = 2_500;

/** What of the daemon and its window the view depends on. */
export interface DaemonFacts {
  readonly isTrusted: boolean;
  readonly state: 'stopped' | 'starting' | 'running' | 'stopping';
  /** Why it is stopped, where it was to start. */
  readonly error?: OrchestratorError | undefined;
  /** Why the core behind it does not run. */
  readonly coreError?: OrchestratorError | undefined;
  /** Another window or program serves this window's sessions. */
  readonly elsewhere?: { readonly name: string; readonly url: string | undefined } | undefined;
  readonly url?: string | undefined;
  readonly isWantedPort?: boolean | undefined;
  readonly status?: DaemonStatus | undefined;
  readonly samples: readonly LoadSample[];
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export function describeDaemon(facts: DaemonFacts): DaemonView {
  const empty = { figures: [], span: loadSpan, load: [], subsystems: [] };
  const { state, elsewhere, url, status, samples, now } = facts;
  if (!facts.isTrusted) {
    const note = 'This workspace is not trusted, so nothing listens here.';
    return { ...empty, state: 'untrusted', note };
  }
  if (elsewhere !== undefined) {
    const door = elsewhere.url === undefined ? 'Its daemon is off.' : 'Its daemon answers at this address.';
    return {
      ...empty,
      state: 'elsewhere',
      note: `The sessions of this workspace are served by ${elsewhere.name}. ${door}`,
      ...(elsewhere.url === undefined ? {} : { url: elsewhere.url }),
    };
  }
  if (state === 'running') {
    return {
      ...empty,
      state,
      ...(url === undefined ? {} : { url }),
      ...(facts.isWantedPort === false
        ? { note: 'Another program has the port that was wanted, so this is the next free one.' }
        : {}),
      figures: status === undefined ? [] : figuresOf(status, samples.at(-1)),
      load: seriesOf(samples, now),
      subsystems: Object.entries(status?.subsystems ?? {}).map(
        ([name, { status: word, detail, errors }]) => ({
          name: spaced(name),
          status: word,
          detail: [detail, ...(errors ?? [])].filter((text) => text !== undefined).join(' · '),
        }),
      ),
    };
  }
  const error = facts.error ?? facts.coreError;
  if (state === 'stopped' && error !== undefined) return { ...empty, state: 'failed', note: error.message };
  if (state !== 'stopped') return { ...empty, state };
  return {
    ...empty,
    state,
    note: 'It lets web pages, scripts and other windows use these sessions, with a token.',
  };
}

function figuresOf(status: DaemonStatus, sample: LoadSample | undefined): DaemonView['figures'] {
  const { connections, process, limits, metrics } = status;
  const traffic = sample?.traffic;
  const figures: [string, string | undefined][] = [
    ['Up', formatElapsed(status.uptime)],
    ['Clients', connections && String(connections.clients)],
    ['In', traffic && `${formatRate(traffic.framesIn)} frames/s, ${formatBytes(traffic.bytesIn)}/s`],
    ['Out', traffic && `${formatRate(traffic.framesOut)} frames/s, ${formatBytes(traffic.bytesOut)}/s`],
    ['Active sessions', `${status.activeSessions}${limits === undefined ? '' : ` of ${limits.maxSessions}`}`],
    ['Queued tasks', String(status.queuedTasks)],
    [
      'Tasks done',
      metrics.totalTasksProcessed === 0
        ? 'none yet'
        : `${metrics.totalTasksProcessed}, ${Math.round(metrics.successRate * 100)} % succeeded`,
    ],
    ['CPU', process && `${Math.round(process.cpuPercent)} %`],
    ['Memory', process && formatBytes(process.rssBytes)],
  ];
  return figures.flatMap(([label, value]) => (value === undefined ? [] : [{ label, value }]));
}

function seriesOf(samples: readonly LoadSample[], now: number): LoadSeries[] {
  const bytes = ({ traffic }: LoadSample): number | undefined =>
    traffic && traffic.bytesIn + traffic.bytesOut;
  const perSecond = (value: number): string => `${formatBytes(value)}/s`;
  const series = [
    oneSeries('Active sessions', samples, now, ({ sessions }) => sessions, String),
    oneSeries('Queued tasks', samples, now, ({ queued }) => queued, String),
  ];
  if (samples.some((sample) => sample.traffic !== undefined)) {
    series.push(oneSeries('Throughput', samples, now, bytes, perSecond));
  }
  return series;
}

function oneSeries(
  label: string,
  samples: readonly LoadSample[],
  now: number,
  valueOf: (sample: LoadSample) => number | undefined,
  format: (value: number) => string,
): LoadSeries {
  const most = Math.max(0, ...samples.map((sample) => valueOf(sample) ?? 0));
  const points: LoadSeries['points'] = [];
  let last: LoadSample | undefined;
  for (const sample of samples) {
    const ago = Math.max(0, (now - sample.time) / 1_000);
    if (last !== undefined && sample.time - last.time > gapMs) points.push([ago, null]);
    const value = valueOf(sample);
    points.push([ago, value === undefined ? null : most === 0 ? 0 : value / most]);
    last = sample;
  }
  const newest = last === undefined ? undefined : valueOf(last);
  return { label, now: newest === undefined ? '–' : format(newest), most: format(most), points };
}

function formatRate(value: number): string {
  return value >= 10 || value === 0 ? String(Math.round(value)) : value.toFixed(1);
}

/** Names of subsystems that are no words. */
const properNames: Readonly<Record<string, string>> = {
  websocket: 'WebSocket',
  http: 'HTTP',
  grpc: 'gRPC',
  llmClient: 'LLM client',
};

/** `sessionManager` as a person reads it: `Session manager`. */
function spaced(name: string): string {
  const known = properNames[name];
  if (known !== undefined) return known;
  const words = name.replace(
    /([a-z])([A-Z])/g,
    (_, end: string, begin: string) => `${end} ${begin.toLowerCase()}`,
  );
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Of the status bar. */
export function daemonTooltip(url: string, clients: number | undefined): string {
  const told = clients === undefined ? '' : `, ${count(clients, 'client')}`;
  return `Orchestrator daemon: ${url}${told}. Select to show it.`;
}
