// What goes wrong under 50 terminals: cores that are killed, a process host that is stopped or killed.
import { type ChildProcess, spawn } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Orchestrator } from '../../src/core/orchestrator.ts';
import { startRealCore } from '../integration/realCore.ts';
import {
  buildHost,
  collect,
  HostFixture,
  isAlive,
  node,
  sh,
  terminalOptions,
  until,
} from '../integration/processHostHarness.ts';

/**
 * `ORCHESTRATOR_TEST_FULL=1` does what a release is to show; without it, as much as fits into a minute.
 */
const isFull = process.env['ORCHESTRATOR_TEST_FULL'] === '1';
const kills = isFull ? 1_000 : 100;
const spawnCycles = isFull ? 10_000 : 500;
const timeout = isFull ? 3_600_000 : 180_000;

let distDir: string;
let fixture: HostFixture;
let folder: string;

beforeAll(async () => {
  distDir = await buildHost();
});

afterAll(() => {
  rmSync(distDir, { recursive: true, force: true });
});

beforeEach(() => {
  fixture = new HostFixture(distDir);
  folder = mkdtempSync(join(tmpdir(), 'ow-faults-'));
});

afterEach(async () => {
  await fixture.dispose();
  rmSync(folder, { recursive: true, force: true });
});

/** Numbered lines for ever, some of them cut in the middle of a letter by whoever reads. */
const counter = (): ReturnType<typeof terminalOptions> =>
  terminalOptions('perl', [
    '-e',
    '$| = 1; for ($i = 0; ; $i++) { print "Zeile \\xc3\\xbc $i\\n"; select(undef, undef, undef, 0.02); }',
  ]);

function isCountedUp(text: string): boolean {
  const lines = text.split('\r\n');
  const last = lines.pop() ?? '';
  return (
    lines.every((line, index) => line === `Zeile ü ${index}`) && `Zeile ü ${lines.length}`.startsWith(last)
  );
}

/**
 * A core that follows terminals and writes what comes into a file each, at the offset where the file ends; it is started
 * again and again and killed whenever it suits.
 */
const followingCore = `
const { closeSync, fstatSync, openSync, writeSync } = require('node:fs');
const [bundle, folder, options, ...ids] = process.argv.slice(1);
const { createProcessHostClient } = require(bundle);
const silent = () => undefined;
const logger = { debug: silent, info: silent, warn: silent, error: silent };
const host = createProcessHostClient({ ...JSON.parse(options), logger });
const follow = async (id) => {
  const file = openSync(folder + '/' + id, 'a');
  let next = fstatSync(file).size;
  const follower = await host.followTerminal(id, { from: next }, {
    onData(data, offset) {
      if (offset !== next) writeSync(file, 'wrong offset');
      writeSync(file, data);
      next = offset + data.length;
      setImmediate(() => follower.ack(next));
    },
  });
};
host.connectIfRunning().then(() => Promise.all(ids.map(follow))).then(() => process.stdout.write('following'));
`;

function startCore(ids: readonly string[]): ChildProcess {
  const options = { stateDir: fixture.stateDir, distDir, version: '1.0.0', execPath: node };
  return spawn(
    node,
    ['-e', followingCore, join(distDir, 'processHostClient.js'), folder, JSON.stringify(options), ...ids],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
}

const ended = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    child.once('exit', () => {
      resolve();
    });
  });

describe('a core that is killed', () => {
  it(`loses no terminal and no byte, killed ${kills} times at any moment beside 50 terminals`, {
    timeout,
  }, async () => {
    const host = fixture.client();
    const ids: string[] = [];
    for (let index = 0; index < 50; index++) ids.push((await host.spawnTerminal(counter())).id);
    const attachTimes: number[] = [];
    for (let kill = 0; kill < kills; kill++) {
      const core = startCore(ids);
      const exit = ended(core);
      const startMs = performance.now();
      core.stdout?.once('data', () => attachTimes.push(performance.now() - startMs));
      await delay(Math.random() * 300);
      core.kill('SIGKILL');
      await exit;
    }
    const last = startCore(ids);
    const exit = ended(last);
    const live = (await host.listTerminals()).filter((terminal) => terminal.exit === undefined);
    expect(live.map(({ id }) => id).sort()).toEqual([...ids].sort());
    await Promise.all(ids.map((id) => host.killTerminal(id, { graceMs: 0 })));
    const all = await host.listTerminals();
    const followed = (id: string): Buffer => readFileSync(join(folder, id));
    await until(() => all.every(({ id, end }) => followed(id).length >= end), 'the last core has everything');
    last.kill('SIGKILL');
    await exit;
    for (const { id, end } of all) {
      const bytes = followed(id);
      expect(bytes.length).toBe(end);
      expect(isCountedUp(bytes.toString('utf8'))).toBe(true);
      expect(Buffer.from((await host.readTerminal(id, 0, end)).data).equals(bytes)).toBe(true);
    }
    // Some of them lived long enough to tell; with the start of Node itself.
    attachTimes.sort((a, b) => a - b);
    expect(attachTimes.length).toBeGreaterThan(10);
    expect(attachTimes[Math.floor(attachTimes.length * 0.99)]).toBeLessThan(1_000);
  });
});

describe('a host that is killed', () => {
  it('is the end of 50 terminals, told within a second, with every byte up to then', async () => {
    await using real = await startRealCore(fixture);
    const { terminals } = real.core;
    const { file, args } = counter();
    const all = await Promise.all(
      Array.from({ length: 50 }, () => terminals.spawn({ shell: file, args, cwd: '/' })),
    );
    const seen = await Promise.all(all.map(({ id }) => follow(real.core, id)));
    await until(() => seen.every(({ bytes }) => bytes.length > 500), 'all of them print');
    const killedAt = performance.now();
    process.kill(fixture.hostPid() ?? 0, 'SIGKILL');
    const exits = await Promise.all(all.map(({ id }) => terminals.waitForExit(id)));
    expect(performance.now() - killedAt).toBeLessThan(1_000);
    expect(new Set(exits.map(({ reason }) => reason))).toEqual(new Set(['host_lost']));
    expect(all.filter(({ pid }) => isAlive(pid))).toEqual([]);
    for (const [index, { id }] of all.entries()) {
      const { text } = await real.core.terminalSessions.readOutput(id);
      expect(isCountedUp(text)).toBe(true);
      // What somebody was sent had been recorded before.
      expect(text.startsWith(seen[index]!.bytes.toString('utf8').replace(/\ufffd$/, ''))).toBe(true);
    }
  });
});

describe('a host in trouble', () => {
  it('goes on where it was after it was stopped for five seconds', async () => {
    const host = fixture.client();
    const { id } = await host.spawnTerminal(counter());
    const output = await collect(host, id);
    await until(() => output.next > 100, 'some output');
    const pid = fixture.hostPid() ?? 0;
    process.kill(pid, 'SIGSTOP');
    await delay(5_000);
    const before = output.next;
    process.kill(pid, 'SIGCONT');
    await until(() => output.next > before + 1_000, 'the output goes on');
    await host.killTerminal(id, { graceMs: 0 });
    const exit = await output.ended;
    expect(output.next).toBe(exit.end);
    expect(output.gaps).toEqual([]);
    expect(isCountedUp(output.text())).toBe(true);
  });

  it('survives the death of its screen worker, which draws again when it is asked again', async () => {
    const worker = join(distDir, 'screenWorker.js');
    const real = join(distDir, 'realScreenWorker.js');
    const mark = join(folder, 'crash');
    writeFileSync(mark, '');
    renameSync(worker, real);
    try {
      writeFileSync(
        worker,
        `const fs = require('node:fs');
         if (fs.existsSync(${JSON.stringify(mark)})) {
           require('node:worker_threads').parentPort.once('message', () => {
             fs.rmSync(${JSON.stringify(mark)});
             throw new Error('the test wants it');
           });
         } else require(${JSON.stringify(real)});`,
      );
      const host = fixture.client();
      const { id } = await host.spawnTerminal(sh('echo still here; cat'));
      const output = await collect(host, id);
      await until(() => output.text().includes('still here'), 'the program runs');
      await expect(host.snapshotTerminal(id)).rejects.toThrow('The screen could not be drawn');
      expect(existsSync(mark)).toBe(false);
      expect((await host.snapshotTerminal(id)).text).toContain('still here');
      await host.writeTerminal(id, 'and answers\r');
      await until(() => output.text().includes('and answers'), 'the program answers');
    } finally {
      renameSync(real, worker);
    }
  });

  it(`holds no more after ${spawnCycles} spawns and exits than before`, { timeout }, async () => {
    const host = fixture.client();
    const cycles = async (count: number): Promise<void> => {
      let left = count;
      const worker = async (): Promise<void> => {
        while (left-- > 0) {
          const { id } = await host.spawnTerminal(terminalOptions('echo', ['gone']));
          await (await collect(host, id)).ended;
          await host.removeTerminal(id);
        }
      };
      await Promise.all(Array.from({ length: 8 }, worker));
      await until(async () => (await host.stats())?.terminals === 0, 'all are removed');
    };
    const held = async (): Promise<{ descriptors: number; rssBytes: number; children: number }> => {
      const pid = fixture.hostPid() ?? 0;
      return {
        descriptors: readdirSync(`/proc/${pid}/fd`).length,
        rssBytes: (await host.stats())?.rssBytes ?? 0,
        children: readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').length,
      };
    };
    await cycles(200);
    const before = await held();
    await cycles(spawnCycles);
    await until(async () => (await held()).descriptors <= before.descriptors, 'every descriptor is closed');
    const after = await held();
    expect(after.children).toBeLessThanOrEqual(before.children);
    expect(after.rssBytes - before.rssBytes).toBeLessThan(16 * 1024 * 1024);
    expect(readdirSync(fixture.paths.terminals)).toEqual([]);
  });
});

async function follow(core: Orchestrator, id: string): Promise<{ bytes: Buffer }> {
  const seen = { bytes: Buffer.alloc(0) };
  const follower = await core.terminals.follow(
    id,
    { from: 0 },
    {
      onData(data, offset) {
        seen.bytes = Buffer.concat([seen.bytes, data]);
        setImmediate(() => follower.ack(offset + data.length));
      },
    },
  );
  return seen;
}
