import { describe, expect, it } from 'vitest';
import { OrchestratorError } from '../../base/errors.ts';
import type { DaemonStatus } from '../../protocol/daemon/shapes.ts';
import { daemonView } from '../../protocol/daemonView.ts';
import { type DaemonFacts, daemonTooltip, describeDaemon } from './describeDaemon.ts';
import { LoadHistory } from './loadHistory.ts';

const status = (more: Partial<DaemonStatus> = {}): DaemonStatus => ({
  status: 'running',
  uptime: 61_000,
  activeSessions: 3,
  queuedTasks: 1,
  metrics: {
    totalSessionsSpawned: 42,
    totalTasksProcessed: 20,
    totalTokensUsed: 0,
    averageSessionDuration: 0,
    activeSessions: 3,
    successRate: 0.95,
  },
  subsystems: { sessionManager: { status: 'degraded', lastCheck: '', detail: '3 open', errors: ['late'] } },
  ...more,
});
const traffic = (clients: number, frames: number, bytes: number): DaemonStatus['connections'] => ({
  clients,
  framesSent: frames,
  bytesSent: bytes,
  framesReceived: 0,
  bytesReceived: 0,
});

const facts: DaemonFacts = { isTrusted: true, state: 'stopped', samples: [], now: 10_000 };

describe('the Daemon view', () => {
  it.each<[string, Partial<DaemonFacts>, object]>([
    ['says why nothing starts', { isTrusted: false }, { state: 'untrusted', note: /not trusted/ }],
    ['says what it is for', {}, { state: 'stopped', note: /web pages, scripts and other windows/ }],
    [
      'says why it did not start',
      { error: new OrchestratorError('INTERNAL', 'listen_failed', 'No port.') },
      { state: 'failed', note: /^No port\.$/ },
    ],
    [
      'shows where another window answers',
      { elsewhere: { name: 'the window "api"', url: 'http://127.0.0.1:8790' } },
      {
        state: 'elsewhere',
        url: 'http://127.0.0.1:8790',
        note: /served by the window "api"\. Its daemon answers/,
      },
    ],
    [
      'shows that another has none',
      { elsewhere: { name: 'another window', url: undefined } },
      { state: 'elsewhere', note: /Its daemon is off/ },
    ],
    ['tells of another port', { state: 'running', isWantedPort: false }, { note: /next free one/ }],
  ])('%s', (_, more, expected) => {
    const view = daemonView.parse(describeDaemon({ ...facts, ...more }));
    for (const [key, wanted] of Object.entries(expected)) {
      if (wanted instanceof RegExp) expect(view[key as 'note']).toMatch(wanted);
      else expect(view[key as 'note']).toBe(wanted);
    }
  });

  it('shows figures, load and subsystems of one that runs', () => {
    const history = new LoadHistory(120_000);
    const before = status({ connections: traffic(1, 0, 0), activeSessions: 6 });
    history.add(before, 9_000);
    const now = status({
      connections: traffic(2, 50, 4_096),
      process: { pid: 1, version: '1', rssBytes: 84 * 1024 * 1024, cpuPercent: 3.4 },
      limits: { maxSessions: 100, maxTasks: 8 },
    });
    history.add(now, 10_000);
    const view = describeDaemon({
      ...facts,
      state: 'running',
      url: 'http://127.0.0.1:8787',
      status: now,
      samples: history.samples,
    });
    expect(Object.fromEntries(view.figures.map(({ label, value }) => [label, value]))).toMatchObject({
      Up: '1:01',
      Clients: '2',
      In: '0 frames/s, 0 B/s',
      Out: '50 frames/s, 4.0 KiB/s',
      'Active sessions': '3 of 100',
      'Queued tasks': '1',
      'Tasks done': '20, 95 % succeeded',
      CPU: '3 %',
    });
    expect(view.load.map(({ label, now: value, most }) => [label, value, most])).toEqual([
      ['Active sessions', '3', '6'],
      ['Queued tasks', '1', '1'],
      ['Throughput', '4.0 KiB/s', '4.0 KiB/s'],
    ]);
    expect(view.load[0]?.points).toEqual([
      [1, 1],
      [0, 0.5],
    ]);
    expect(view.subsystems).toEqual([
      { name: 'Session manager', status: 'degraded', detail: '3 open · late' },
    ]);
  });
});

describe('the history of the load', () => {
  it('keeps only its span, and tells no rate over a gap or a restart', () => {
    const history = new LoadHistory(120_000);
    history.add(status({ connections: traffic(1, 10, 1_000) }), 0);
    expect(history.add(status({ connections: traffic(1, 20, 2_000) }), 2_000).traffic?.bytesOut).toBe(500);
    expect(history.add(status({ connections: traffic(1, 30, 3_000) }), 60_000).traffic).toBeUndefined();
    expect(history.add(status({ connections: traffic(1, 0, 0) }), 61_000).traffic).toBeUndefined();
    expect(history.add(status(), 121_000).traffic).toBeUndefined();
    expect(history.samples.map(({ time }) => time)).toEqual([2_000, 60_000, 61_000, 121_000]);
  });

  it('is drawn with a gap where nobody looked', () => {
    const history = new LoadHistory(120_000);
    history.add(status(), 0);
    history.add(status(), 9_000);
    const { load } = describeDaemon({ ...facts, state: 'running', samples: history.samples });
    expect(load[0]?.points).toEqual([
      [10, 1],
      [1, null],
      [1, 1],
    ]);
  });
});

it('names clients in the status bar', () => {
  expect(daemonTooltip('http://h:1', 2)).toContain('http://h:1, 2 clients.');
  expect(daemonTooltip('http://h:1', undefined)).toContain('http://h:1. Select');
});
