import { describe, expect, it } from 'vitest';
import { OrchestratorError } from '../../base/errors.ts';
import { nullLogger } from '../../base/logger.ts';
import type { Orchestrator } from '../../core/orchestrator.ts';
import type { CoreEndpoints } from '../../processHost/coreHolder.ts';
import type { DaemonStatus } from '../../protocol/daemon/shapes.ts';
import { DaemonControl, type ServedCore } from './daemonControl.ts';
import type { RunningDaemon } from './runningDaemon.ts';

class Fixture {
  readonly done: string[] = [];
  readonly told: CoreEndpoints[] = [];
  failure: Error | undefined;
  startsWithCore = false;
  readonly control = new DaemonControl({
    open: async ({ port }) => {
      this.done.push('open');
      await Promise.resolve();
      if (this.failure !== undefined) throw this.failure;
      return this.running(port);
    },
    settings: () => ({ port: 8_787, allowedHosts: [], allowedOrigins: [] }),
    startsWithCore: () => this.startsWithCore,
    logger: nullLogger,
  });
  readonly words: string[] = [];
  readonly core: ServedCore = {
    // Nothing here looks into it.
    orchestrator: Object.create(null) as Orchestrator,
    stateDir: '/s',
    version: '1',
    announce: (endpoints) => this.told.push(endpoints),
  };

  constructor() {
    this.control.onDidChangeState(({ word }) => this.words.push(word));
  }

  private running(port: number): RunningDaemon {
    return {
      url: `http://127.0.0.1:${port}`,
      tokenPath: '/s/http-token',
      isWantedPort: true,
      status: () => ({}) as DaemonStatus,
      stop: async () => {
        this.done.push('stop');
        await Promise.resolve();
      },
    };
  }
}

describe('the daemon of a window', () => {
  it('opens once, however often it is asked, tells where it is, and stops', async () => {
    const fixture = new Fixture();
    const { control } = fixture;
    control.attach(fixture.core);
    const [first, second] = await Promise.all([control.start(), control.start()]);
    expect(second).toBe(first);
    await control.stop();
    await control.stop();
    expect(fixture.done).toEqual(['open', 'stop']);
    expect(fixture.words).toEqual(['starting', 'running', 'stopping', 'stopped']);
    expect(fixture.told).toEqual([{ http: { url: 'http://127.0.0.1:8787' } }, { http: undefined }]);
  });

  it('starts with the core where that is set, and ends with it, also while it opens', async () => {
    const fixture = new Fixture();
    fixture.startsWithCore = true;
    const isStarting = new Promise<void>((resolve) => {
      fixture.control.onDidChangeState(() => resolve());
    });
    const attached = fixture.control.attach(fixture.core);
    await isStarting;
    await attached.close();
    expect(fixture.done).toEqual(['open', 'stop']);
    expect(fixture.control.state.word).toBe('stopped');
    await expect(fixture.control.start()).rejects.toMatchObject({ reason: 'closed' });
  });

  it('keeps why it did not start, until it does', async () => {
    const fixture = new Fixture();
    fixture.control.attach(fixture.core);
    fixture.failure = new OrchestratorError('INTERNAL', 'listen_failed', 'No.');
    await expect(fixture.control.start()).rejects.toMatchObject({ reason: 'listen_failed' });
    expect(fixture.control.state).toMatchObject({ word: 'stopped', error: { message: 'No.' } });
    fixture.failure = undefined;
    await fixture.control.start();
    expect(fixture.control.state.word).toBe('running');
  });
});
