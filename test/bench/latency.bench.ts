import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import type { ProcessHost, TerminalFollower } from '../../src/core/ports/processHost.ts';
import { plainEnvironment, startHostUnderTest } from './hostUnderTest.ts';
import { percentile, report } from './race.ts';

const floods = 16;
const keystrokes = 1_000;
/** After each echo, at most: ten times as fast as anybody types. */
const pauseMs = 10;
const interrupts = 50;

/** Keystroke echo while 16 other terminals flood, and Ctrl-C to prompt in a flooding one. */
export async function benchLatency(): Promise<void> {
  const underTest = await startHostUnderTest();
  const { host } = underTest;
  try {
    report('keystroke echo, quiet (ms)', figures(await echoTimesMs(host)));
    const loop = monitorEventLoopDelay({ resolution: 1 });
    const flooding: string[] = [];
    const followers: TerminalFollower[] = [];
    for (let index = 0; index < floods; index++) {
      const id = crypto.randomUUID();
      await host.spawnTerminal({
        id,
        file: 'yes',
        args: [],
        cwd: '/',
        env: plainEnvironment,
        cols: 80,
        rows: 24,
      });
      flooding.push(id);
      followers.push(await followDiscarding(host, id));
    }
    await delay(500);
    const quietRate = await floodRate(host, () => delay(3_000));
    loop.enable();
    let echoTimes: number[] = [];
    const typingRate = await floodRate(host, async () => {
      echoTimes = await echoTimesMs(host);
    });
    loop.disable();
    report(`keystroke echo under ${floods} × yes (ms; target p99 at most 8)`, figures(echoTimes));
    report('client loop delay meanwhile (ms)', { p99: loop.percentile(99) / 1e6, max: loop.max / 1e6 });
    report('what the floods write (MB/s, all together)', {
      'nobody types': quietRate,
      'while somebody types': typingRate,
    });
    for (const follower of followers) follower.dispose();
    await Promise.all(flooding.map((id) => host.killTerminal(id, { graceMs: 0 })));
    report(
      `Ctrl-C to prompt under a flood (ms; target p99 at most 50)`,
      figures(await interruptTimesMs(host)),
    );
  } finally {
    await underTest.dispose();
  }
}

/** Output of all terminals while `during` runs, in MB/s. */
async function floodRate(host: ProcessHost, during: () => Promise<unknown>): Promise<number> {
  const total = async (): Promise<number> =>
    (await host.listTerminals()).reduce((sum, { end }) => sum + end, 0);
  const before = await total();
  const startMs = performance.now();
  await during();
  return ((await total()) - before) / 1_000 / (performance.now() - startMs);
}

function figures(samples: number[]): Record<string, number> {
  samples.sort((a, b) => a - b);
  return { p50: percentile(samples, 0.5), p99: percentile(samples, 0.99), max: samples.at(-1) ?? Number.NaN };
}

async function followDiscarding(host: ProcessHost, id: string): Promise<TerminalFollower> {
  const follower = host.followTerminal(
    id,
    { from: 0, isForeground: true },
    {
      onData(data, offset) {
        void follower.then((one) => {
          one.ack(offset + data.byteLength);
        });
      },
    },
  );
  return follower;
}

async function echoTimesMs(host: ProcessHost): Promise<number[]> {
  const id = crypto.randomUUID();
  await host.spawnTerminal({
    id,
    file: '/bin/sh',
    args: ['-c', 'stty raw -echo; echo ready; exec cat'],
    cwd: '/',
    env: plainEnvironment,
    cols: 80,
    rows: 24,
  });
  let onData: (text: string) => void = () => undefined;
  const isReady = new Promise<void>((resolve) => {
    onData = (text) => {
      if (text.includes('ready')) resolve();
    };
  });
  const follower = host.followTerminal(
    id,
    { from: 0, isForeground: true },
    {
      onData(data, offset) {
        onData(Buffer.from(data).toString('latin1'));
        void follower.then((one) => {
          one.ack(offset + data.byteLength);
        });
      },
    },
  );
  await follower;
  await isReady;
  const samples: number[] = [];
  for (let index = 0; index < keystrokes; index++) {
    const startMs = performance.now();
    const echoed = new Promise<void>((resolve) => {
      onData = () => {
        resolve();
      };
    });
    await host.writeTerminal(id, 'k');
    await echoed;
    samples.push(performance.now() - startMs);
    await delay(Math.random() * pauseMs);
  }
  (await follower).dispose();
  await host.killTerminal(id, { graceMs: 0 });
  return samples;
}

async function interruptTimesMs(host: ProcessHost): Promise<number[]> {
  const id = crypto.randomUUID();
  const prompt = 'prompt-of-the-bench';
  await host.spawnTerminal({
    id,
    file: '/bin/bash',
    args: ['--norc', '--noprofile', '-i'],
    cwd: '/',
    env: { ...plainEnvironment, PS1: `${prompt}> ` },
    cols: 80,
    rows: 24,
  });
  let tail = '';
  let waiting: { text: string; resolve: () => void } | undefined;
  const waitFor = (text: string): Promise<void> =>
    new Promise((resolve) => {
      tail = '';
      waiting = { text, resolve };
    });
  const follower = host.followTerminal(
    id,
    { from: 0, isForeground: true, windowBytes: 131_072 },
    {
      onData(data, offset) {
        tail = (tail + Buffer.from(data).toString('latin1')).slice(-200_000);
        if (waiting !== undefined && tail.includes(waiting.text)) {
          waiting.resolve();
          waiting = undefined;
        }
        void follower.then((one) => {
          one.ack(offset + data.byteLength);
        });
      },
    },
  );
  await follower;
  await waitFor(`${prompt}> `);
  const samples: number[] = [];
  for (let index = 0; index < interrupts; index++) {
    const isFlooding = waitFor('y\r\ny\r\ny\r\n');
    await host.writeTerminal(id, 'yes\n');
    await isFlooding;
    const isBack = waitFor(`${prompt}> `);
    const startMs = performance.now();
    await host.writeTerminal(id, '\u0003');
    await isBack;
    samples.push(performance.now() - startMs);
  }
  (await follower).dispose();
  await host.killTerminal(id, { graceMs: 0 });
  return samples;
}
