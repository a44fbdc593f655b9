import { spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ProcessHost, TerminalExit } from '../../src/core/ports/processHost.ts';
import { hostPaths } from '../../src/processHost/paths.ts';
import { processTable } from '../../src/processHost/processTable.ts';
import {
  buildHost,
  collect,
  HostFixture,
  isAlive,
  processesWith,
  sh,
  terminalOptions,
  until,
} from './processHostHarness.ts';

let distDir: string;
let fixture: HostFixture;

beforeAll(async () => {
  distDir = await buildHost();
});

afterAll(() => {
  rmSync(distDir, { recursive: true, force: true });
});

beforeEach(() => {
  fixture = new HostFixture(distDir);
});

afterEach(async () => {
  await fixture.dispose();
});

describe('terminals', () => {
  it('runs a program, takes its input and tells its exit after the last byte', async () => {
    const host = fixture.client();
    const exits: TerminalExit[] = [];
    host.onDidExitTerminal((exit) => exits.push(exit));
    const options = sh('read line; printf "got:%s" "$line"; exit 3');
    const status = await host.spawnTerminal(options);
    expect(status).toMatchObject({ id: options.id, cols: 80, rows: 24, recordStart: 0 });
    const output = await collect(host, options.id);
    await host.writeTerminal(options.id, 'grüße\r');
    const exit = await output.ended;
    expect(exit).toMatchObject({ exitCode: 3, signal: null, reason: 'exited', end: output.next });
    expect(output.text()).toBe('grüße\r\ngot:grüße');
    await until(() => exits.length === 1, 'the exit is told');
    expect(exits[0]).toEqual(exit);
    expect((await host.listTerminals())[0]?.exit).toMatchObject({ exitCode: 3 });
    await host.removeTerminal(options.id);
    expect(await host.listTerminals()).toEqual([]);
  });

  it('loses no byte of 200 short commands, 8 at a time', async () => {
    const host = fixture.client();
    const script = 'i=0; while [ $i -lt 320 ]; do printf "%s" "$0"; i=$((i+1)); done';
    let next = 0;
    const bad: string[] = [];
    const worker = async (): Promise<void> => {
      while (next < 200) {
        const seed = createHash('sha256').update(String(next++)).digest('hex');
        const options = terminalOptions('sh', ['-c', script, seed]);
        await host.spawnTerminal(options);
        const output = await collect(host, options.id);
        const exit = await output.ended;
        const expected = seed.repeat(320);
        if (output.text() !== expected || exit.end !== 20_480 || exit.exitCode !== 0) bad.push(seed);
        await host.removeTerminal(options.id);
      }
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    expect(bad).toEqual([]);
    await until(async () => (await host.stats())?.liveTerminals === 0, 'all ended');
  });

  it('keeps others at full speed beside a reader that never acknowledges', async () => {
    const host = fixture.client();
    const options = sh('head -c 20000000 /dev/zero');
    await host.spawnTerminal(options);
    const stalled = await collect(host, options.id, { acks: false, windowBytes: 65_536 });
    const quick = await collect(host, options.id);
    const exit = await quick.ended;
    expect(exit.end).toBe(20_000_000);
    expect(quick.bytes().equals(Buffer.alloc(20_000_000))).toBe(true);
    expect(stalled.next).toBe(65_536);
    expect((await host.stats())?.rssBytes).toBeLessThan(300_000_000);
  });

  it('pauses the program for a foreground reader, and only for it', async () => {
    const host = fixture.client();
    const options = sh('head -c 20000000 /dev/zero');
    await host.spawnTerminal(options);
    const reader = await collect(host, options.id, { acks: false, windowBytes: 65_536, isForeground: true });
    const end = async (): Promise<number> => (await host.listTerminals())[0]?.end ?? 0;
    await until(() => reader.next === 65_536, 'the window is full');
    let before = -1;
    await until(async () => {
      const now = await end();
      const isStill = now === before;
      before = now;
      if (!isStill) await delay(100);
      return isStill;
    }, 'the program stands still');
    expect(before).toBeLessThan(1_000_000);
    reader.dispose();
    const rest = await collect(host, options.id);
    expect((await rest.ended).end).toBe(20_000_000);
  });

  it('delivers everything when the program ends while it is paused', async () => {
    const host = fixture.client();
    const options = sh('head -c 67000 /dev/zero');
    await host.spawnTerminal(options);
    const reader = await collect(host, options.id, { acks: false, windowBytes: 65_536, isForeground: true });
    await until(async () => (await host.listTerminals())[0]?.exit !== undefined, 'it ended');
    reader.dispose();
    const all = await collect(host, options.id);
    expect((await all.ended).end).toBe(67_000);
  });

  it('tells what left the bounded record as a gap', async () => {
    const host = fixture.client();
    const options = sh('head -c 3000000 /dev/zero', { recordLimitBytes: 1_048_576 });
    await host.spawnTerminal(options);
    await until(async () => (await host.listTerminals())[0]?.exit !== undefined, 'it ended');
    const output = await collect(host, options.id);
    await output.ended;
    const [gap] = output.gaps;
    expect(gap?.[0]).toBe(0);
    expect(output.next).toBe(3_000_000);
    expect(output.bytes().length).toBe(3_000_000 - (gap?.[1] ?? 0));
    expect(output.bytes().length).toBeLessThanOrEqual(1_048_576);
    const read = await host.readTerminal(options.id, 0, 3_000_000);
    expect(read.from).toBe(gap?.[1]);
    expect(read.data.length).toBe(output.bytes().length);
  });

  it('resizes, and tells it in the order of the output', async () => {
    const host = fixture.client();
    const options = sh('trap "stty size" WINCH; echo ready; while :; do sleep 0.05; done');
    await host.spawnTerminal(options);
    const output = await collect(host, options.id);
    await until(() => output.text().includes('ready'), 'the program runs');
    await host.resizeTerminal(options.id, 100, 40);
    await until(() => output.text().includes('40 100'), 'the program sees the size');
    expect(output.sizes).toEqual([
      [80, 24],
      [100, 40],
    ]);
  });

  it('does not burn the processor while a program leaves its input unread', async () => {
    const host = fixture.client();
    const options = sh('stty raw -echo; echo ready; sleep 3; head -c 1000000 | sha256sum');
    await host.spawnTerminal(options);
    const output = await collect(host, options.id);
    await until(() => output.text().includes('ready'), 'the program runs');
    const input = 'x'.repeat(1_000_000);
    const pid = fixture.hostPid() ?? 0;
    const ticks = (): number => {
      const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
      return Number(fields[11]) + Number(fields[12]);
    };
    await host.writeTerminal(options.id, input);
    const before = ticks();
    await output.ended;
    expect(output.text()).toContain(createHash('sha256').update(input).digest('hex'));
    // Less than a second of work in three.
    expect(ticks() - before).toBeLessThan(100);
  });
});

describe('clean-up', () => {
  const mark = (): string => `ow${randomUUID().replaceAll('-', '')}`;

  it('kills the whole tree: who ignores signals, who forked twice, who is stopped', async () => {
    const host = fixture.client();
    const name = mark();
    const options = sh(
      `(setsid sh -c 'trap "" HUP TERM; while :; do sleep 0.1; done; : ${name}' &) ;
       (trap "" TERM HUP; sh -c 'while :; do sleep 0.1; done; : ${name}') &
       sh -c 'kill -STOP $$; : ${name}' &
       env -i setsid sh -c 'while :; do sleep 0.1; done; : ${name}' &
       echo started; while :; do sleep 0.1; done; : ${name}`,
    );
    await host.spawnTerminal(options);
    await until(() => processesWith(name).length >= 5, 'the tree is up');
    const started = Date.now();
    await host.killTerminal(options.id, { graceMs: 200 });
    expect(Date.now() - started).toBeLessThan(2_000);
    expect(processesWith(name)).toEqual([]);
    expect((await host.listTerminals())[0]?.exit?.reason).toBe('killed');
  });

  it('ends what a leader leaves behind, also what left the session', async () => {
    const host = fixture.client();
    const name = mark();
    const options = sh(
      `setsid sh -c 'while :; do sleep 0.1; done; : ${name}' </dev/null >/dev/null 2>&1 &
       (trap "" HUP; sh -c 'while :; do sleep 0.1; done; : ${name}') &
       while [ "$(grep -lsa ${name} /proc/[0-9]*/cmdline | wc -l)" -lt 3 ]; do sleep 0.05; done; echo done; exit 4`,
    );
    await host.spawnTerminal(options);
    const output = await collect(host, options.id);
    const exit = await output.ended;
    expect(exit).toMatchObject({ exitCode: 4, reason: 'exited' });
    expect(output.text()).toContain('done');
    await until(() => processesWith(name).length === 0, 'nothing is left');
  });

  it('ends orphans of a host that was killed, and nothing else', async () => {
    const host = fixture.client();
    const name = mark();
    const options = sh(
      `echo before; setsid sh -c 'trap "" HUP TERM; while :; do sleep 0.1; done; : ${name}' </dev/null >/dev/null 2>&1 &
       trap "" HUP; while :; do sleep 0.1; done; : ${name}`,
    );
    await host.spawnTerminal(options);
    const output = await collect(host, options.id);
    await until(() => processesWith(name).length >= 2 && output.text().includes('before'), 'the tree is up');
    const states: string[] = [];
    host.onDidChangeConnection(({ state }) => states.push(state));
    const started = Date.now();
    process.kill(fixture.hostPid() ?? 0, 'SIGKILL');
    await until(() => states.includes('lost'), 'the loss is told');
    expect(Date.now() - started).toBeLessThan(1_000);
    await expect(output.ended).rejects.toThrow();
    await host.ensureConnected();
    expect(processesWith(name)).toEqual([]);
    const [status] = await host.listTerminals();
    expect(status?.exit).toMatchObject({ reason: 'host_lost', exitCode: null });
    const again = await collect(host, options.id);
    await again.ended;
    expect(again.text()).toBe(output.text());
  });

  it('finds the bytes of a terminal that a full disk has kept out of the list', async () => {
    const host = fixture.client();
    const options = sh('echo kept; sleep 60');
    await host.spawnTerminal(options);
    const output = await collect(host, options.id);
    await until(() => output.text().includes('kept'), 'there is output');
    const lost = new Promise((resolve) => host.onDidChangeConnection(resolve));
    process.kill(fixture.hostPid() ?? 0, 'SIGKILL');
    await lost;
    await expect(output.ended).rejects.toThrow();
    rmSync(hostPaths(fixture.stateDir).catalogue);
    await host.ensureConnected();
    const again = await collect(host, options.id);
    await again.ended;
    expect(again.text()).toBe('kept\r\n');
    await host.removeTerminal(options.id);
    expect(await host.listTerminals()).toEqual([]);
  });

  it('leaves alone who has got the pid of an orphan since, with all in its session', async () => {
    const stranger = spawn('sh', ['-c', 'sleep 60 & wait'], { detached: true, stdio: 'ignore' });
    const pid = stranger.pid ?? 0;
    try {
      const children = (): string => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
      await until(() => children() !== '', 'its child is there');
      const child = Number(children());
      const [boot, ticks] = processTable.startTime(pid)?.split(':') ?? [];
      const former = { pid, startTime: `${boot}:${Number(ticks) - 1}` };
      const entries = [former, { ...former, startTime: undefined }, { pid: undefined }].map((identity) => ({
        id: randomUUID(),
        kind: 'terminal',
        token: randomUUID().replaceAll('-', ''),
        at: Date.now(),
        ...identity,
      }));
      mkdirSync(fixture.paths.root, { recursive: true, mode: 0o700 });
      writeFileSync(fixture.paths.ledger, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
      await fixture.client().ensureConnected();
      expect([pid, child].map(isAlive)).toEqual([true, true]);
      const ended = readFileSync(fixture.paths.ledger, 'utf8').match(/"ended"/g);
      expect(ended).toHaveLength(entries.length);
    } finally {
      process.kill(-pid, 'SIGKILL');
    }
  });

  it('takes everything along when it is asked to end', async () => {
    const host = fixture.client();
    const name = mark();
    await host.spawnTerminal(sh(`while :; do sleep 0.1; done; : ${name}`));
    const pid = fixture.hostPid() ?? 0;
    process.kill(pid, 'SIGTERM');
    await until(() => !isAlive(pid), 'the host ends');
    expect(processesWith(name)).toEqual([]);
  });

  it('ends by itself when nobody needs it, and not before', async () => {
    const host = fixture.client({ idleExitMs: 200 });
    const options = sh('sleep 1');
    await host.spawnTerminal(options);
    const pid = fixture.hostPid() ?? 0;
    host.dispose();
    await delay(500);
    expect(isAlive(pid)).toBe(true);
    await until(() => !isAlive(pid), 'the host ends');
    expect(statSync(fixture.paths.endpoint, { throwIfNoEntry: false })).toBeUndefined();
    expect(readFileSync(fixture.paths.ledger, 'utf8').trim().split('\n').at(-1)).toContain('ended');
  });

  it('stays flat over spawns and exits', async () => {
    const host = fixture.client();
    const cycle = async (): Promise<void> => {
      const options = terminalOptions('true', []);
      await host.spawnTerminal(options);
      await (await collect(host, options.id)).ended;
      await host.removeTerminal(options.id);
    };
    for (let index = 0; index < 50; index++) await cycle();
    const pid = fixture.hostPid() ?? 0;
    const held = (): { descriptors: number; threads: number } => ({
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
      threads: readdirSync(`/proc/${pid}/task`).length,
    });
    const before = held();
    for (let index = 0; index < 300; index++) await cycle();
    await until(
      () => held().descriptors <= before.descriptors && held().threads <= before.threads,
      'what was taken is given back',
    );
  });
});

/** What no caller can do: cuts the socket under a client. */
function breakConnection(host: ProcessHost): void {
  const { link } = host as unknown as { link: { peer: { connection: { socket: { destroy(): void } } } } };
  link.peer.connection.socket.destroy();
}

describe('re-attach', () => {
  it('goes on exactly where a killed client was', async () => {
    const first = fixture.client();
    const options = sh('i=0; while [ $i -lt 20000 ]; do echo "line $i"; i=$((i+1)); done');
    await first.spawnTerminal(options);
    const one = await collect(first, options.id);
    await until(() => one.next > 20_000, 'some output');
    first.dispose();
    const seen = one.bytes();
    const second = fixture.client();
    const two = await collect(second, options.id, { from: seen.length });
    await two.ended;
    const expected = Array.from({ length: 20_000 }, (_, index) => `line ${index}\r\n`).join('');
    expect(Buffer.concat([seen, two.bytes()]).toString()).toBe(expected);
  });

  it('goes on by itself when only the connection broke', async () => {
    const host = fixture.client();
    const options = sh('i=0; while [ $i -lt 30000 ]; do echo "line $i"; i=$((i+1)); done');
    await host.spawnTerminal(options);
    const output = await collect(host, options.id);
    const states: string[] = [];
    host.onDidChangeConnection(({ state }) => states.push(state));
    await until(() => output.next > 20_000, 'some output');
    breakConnection(host);
    await output.ended;
    expect(output.text()).toBe(Array.from({ length: 30_000 }, (_, index) => `line ${index}\r\n`).join(''));
    expect(states).toEqual(['connecting', 'connected']);
  });
});

describe('snapshots', () => {
  it('draws a full-screen program, its modes and its scrollback', async () => {
    const host = fixture.client();
    const options = sh(
      'seq 1 100; printf "\\033[?1049h\\033[?2004h\\033[?1000h\\033[?1006h\\033[?25l\\033[2J\\033[5;10Hfull screen"; cat',
    );
    await host.spawnTerminal(options);
    const output = await collect(host, options.id);
    await until(() => output.text().includes('full screen'), 'the program draws');
    const snapshot = await host.snapshotTerminal(options.id);
    expect(snapshot.offset).toBe(output.next);
    expect(snapshot.text.split('\n')[4]).toBe('         full screen');
    for (const mode of ['?1049h', '?2004h', '?1000h', '?1006h', '?25l'])
      expect(snapshot.data).toContain(`\x1b[${mode}`);
    expect(snapshot.data).toContain('77');
    const narrow = await host.snapshotTerminal(options.id, { cols: 40, rows: 10, scrollback: 0 });
    expect([narrow.cols, narrow.rows]).toEqual([40, 10]);
  });

  it('shows vim, also after it was resized, and after it has ended', async () => {
    const host = fixture.client();
    const options = terminalOptions('vim', ['-u', 'NONE', '-N', '/etc/passwd']);
    await host.spawnTerminal(options);
    let text = '';
    await until(async () => {
      ({ text } = await host.snapshotTerminal(options.id));
      return text.includes('root:x:0:0') && text.includes('/etc/passwd');
    }, 'vim draws');
    await host.resizeTerminal(options.id, 60, 20);
    await until(async () => {
      ({ text } = await host.snapshotTerminal(options.id));
      return text.split('\n').length === 20 && text.includes('root:x:0:0');
    }, 'vim draws again');
    await host.writeTerminal(options.id, ':q!\r');
    await until(async () => (await host.listTerminals())[0]?.exit !== undefined, 'vim ends');
    const after = await host.snapshotTerminal(options.id);
    expect(after.text).not.toContain('root:x:0:0');
  });
});
