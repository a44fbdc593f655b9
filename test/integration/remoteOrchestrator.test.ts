// Another orchestrator as a window mirrors and drives it, over a real `orchestrator serve` that is killed meanwhile.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { nullLogger } from '../../src/base/logger.ts';
import { RemoteOrchestrator } from '../../src/clients/orchestrator/remoteOrchestrator.ts';
import { listServingCores } from '../../src/processHost/coreHolder.ts';
import { waitUntil } from '../harness/processes.ts';
import { buildProduct, CliFixture, type RunningCli } from './cliHarness.ts';

let dist: string;
let cli: CliFixture;
let serving: RunningCli;
let remote: RemoteOrchestrator;
beforeAll(() => {
  dist = buildProduct();
}, 60_000);
afterAll(() => {
  rmSync(dist, { recursive: true, force: true });
});

beforeEach(async () => {
  cli = new CliFixture(dist);
  serving = await cli.serve();
  const address = join(cli.stateDir, 'grpc.sock');
  remote = new RemoteOrchestrator({ address, reconnectIntervalMs: 200, logger: nullLogger });
  await waitForConnection('connected');
});
afterEach(async () => {
  remote.dispose();
  await cli[Symbol.asyncDispose]();
});

const waitForConnection = (state: string): Promise<unknown> =>
  waitUntil(`it is ${state}`, () => remote.connection === state, { limitMs: 20_000 });

/** Everything that a terminal prints, from its first byte on. */
async function follow(id: string): Promise<{ text(): string; hasEnded(): boolean }> {
  const seen = { text: '', hasEnded: false };
  const follower = await remote.terminals.follow(
    id,
    { from: 0, isForeground: true },
    {
      onData: (data, offset) => {
        seen.text += Buffer.from(data).toString();
        follower.ack(offset + data.length);
      },
      onEnd: () => (seen.hasEnded = true),
    },
  );
  return { text: () => seen.text, hasEnded: () => seen.hasEnded };
}

describe('another orchestrator', () => {
  it('is mirrored: what others do there shows here', async () => {
    const running = cli.start([
      'run',
      '--name',
      'nightly',
      '--',
      'sh',
      '-c',
      'echo begun; while [ ! -e go ]; do sleep 0.05; done; exit 3',
    ]);
    const run = await waitUntil('the run shows', () => remote.runs.active()[0]);
    const session = remote.sessions.find(run.sessionId);
    expect(session).toMatchObject({ name: 'nightly', state: 'active', cwd: cli.root });
    const terminal = await waitUntil('its terminal shows', () =>
      remote.terminals.list().find(({ runId, state }) => runId === run.id && state === 'running'),
    );
    const output = await follow(terminal.id);
    await waitUntil('its output comes', () => output.text().includes('begun'));
    expect(remote.sessions.closePreview(run.sessionId)).toEqual({ liveTerminals: 0, runningRuns: 1 });
    writeFileSync(join(cli.root, 'go'), '');
    const ended = await remote.runs.waitForEnd(run.id);
    expect(ended).toMatchObject({ status: 'failed', result: { outcome: 'failed' } });
    expect((await running.result).code).toBe(3);
    await waitUntil('the terminal has ended', () => output.hasEnded());
    await remote.runs.remove(run.id);
    expect(remote.runs.find(run.id)).toBeUndefined();
  });

  it('is driven: sessions, terminals and runs, until they end', async () => {
    const created = await remote.sessions.create({ name: 'mine', cwd: cli.root });
    expect(await remote.sessions.ensureDefault(cli.root)).toMatchObject({ id: created.id });
    expect((await remote.sessions.rename(created.id, 'yours')).name).toBe('yours');
    const terminal = await remote.terminals.spawn({
      sessionId: created.id,
      shell: '/bin/sh',
      cols: 100,
      rows: 30,
    });
    await remote.terminals.write(terminal.id, 'stty size; sleep 30\n');
    const output = await follow(terminal.id);
    await waitUntil('it has its size', () => output.text().includes('30 100'));
    await remote.terminals.resize(terminal.id, 90, 20);
    expect(await remote.terminals.snapshot(terminal.id, { scrollback: 10 })).toMatchObject({
      cols: 90,
      rows: 20,
    });
    await waitUntil(
      'sleep is in front',
      async () => (await remote.foregroundPrograms()).get(terminal.id) === 'sleep',
    );
    expect(await remote.terminalSessions.getTerminalMetrics(terminal.id)).toMatchObject({
      processes: expect.any(Number),
    });
    const run = await remote.runs.start({ task: 'sleep 60', sessionId: created.id });
    await remote.runs.abort(run.id);
    expect(await remote.runs.waitForEnd(run.id)).toMatchObject({ status: 'cancelled' });
    await remote.sessions.close(created.id, 'done');
    expect(remote.sessions.find(created.id)).toMatchObject({ state: 'closed', closeReason: 'done' });
    expect(remote.sessions.list()).toEqual([]);
    await waitUntil('the terminal has ended', () => remote.terminals.find(terminal.id)?.state === 'exited');
  });

  it('comes back after a kill -9, and its terminals go on where they broke off', async () => {
    const terminal = await remote.terminals.spawn({ cwd: cli.root, shell: '/bin/sh' });
    const output = await follow(terminal.id);
    await remote.terminals.write(
      terminal.id,
      'PS1=; i=0; while :; do i=$((i+1)); echo "line $i"; sleep 0.02; done\n',
    );
    await waitUntil('it prints', () => output.text().includes('line 20'));
    serving.child.kill('SIGKILL');
    await waitForConnection('disconnected');
    expect(remote.terminals.find(terminal.id)).toMatchObject({ state: 'running' });
    await expect(remote.terminals.write(terminal.id, 'x')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    serving = await cli.serve();
    await waitForConnection('connected');
    const from = Number(/line (\d+)\r\n$/.exec(output.text())?.[1] ?? 0);
    await waitUntil('it goes on', () => output.text().includes(`line ${from + 50}\r\n`));
    await remote.terminals.write(terminal.id, '\x03');
    // The first one may stand behind a prompt.
    const numbers = [...output.text().matchAll(/line (\d+)\r$/gm)].map(([, number]) => Number(number));
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
    await remote.terminals.kill(terminal.id);
    await waitUntil('the end comes', () => output.hasEnded());
  });

  it('is found among the orchestrators of this user, as long as it runs', async () => {
    const found = (): boolean => listServingCores().some(({ stateDir }) => stateDir === cli.stateDir);
    expect(found()).toBe(true);
    serving.child.kill('SIGKILL');
    await serving.result;
    expect(found()).toBe(false);
  });
});
