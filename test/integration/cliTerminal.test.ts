// `orchestrator run` and `attach` as a person has them: in a terminal.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import * as pty from 'node-pty';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitUntil } from '../harness/processes.ts';
import { buildProduct, CliFixture, node, plainEnvironment } from './cliHarness.ts';

let dist: string;
beforeAll(() => {
  dist = buildProduct();
}, 60_000);
afterAll(() => {
  rmSync(dist, { recursive: true, force: true });
});

/** A person's terminal with the command line in it. */
class Screen {
  text = '';
  readonly pty: pty.IPty;
  readonly exit: Promise<number>;

  constructor(cli: CliFixture, args: readonly string[], size = { cols: 90, rows: 28 }) {
    const [command = '', ...rest] = args;
    this.pty = pty.spawn(node, [join(dist, 'cli.js'), command, '--state-dir', cli.stateDir, ...rest], {
      ...size,
      cwd: cli.root,
      env: { ...plainEnvironment(), ORCHESTRATOR_TEST_FIXTURE: cli.root },
    });
    this.pty.onData((data) => (this.text += data));
    this.exit = new Promise((resolve) => {
      this.pty.onExit(({ exitCode, signal }) => resolve(signal ? 128 + signal : exitCode));
    });
  }

  type(text: string): void {
    this.pty.write(text);
  }

  async shows(text: string): Promise<void> {
    await waitUntil(`${JSON.stringify(text)} is shown, not ${JSON.stringify(this.text)}`, () =>
      this.text.includes(text),
    );
  }
}

const kinds = [
  { where: 'by a core of its own', isServed: false },
  { where: 'by the core that serves', isServed: true },
];

async function openFixture(isServed: boolean): Promise<CliFixture> {
  const cli = new CliFixture(dist);
  if (isServed) await cli.serve();
  return cli;
}

describe.each(kinds)('run in a terminal, $where', ({ isServed }) => {
  const fixture = (): Promise<CliFixture> => openFixture(isServed);

  it('gives the task a terminal of the same size, and passes on keys and changes of size', async () => {
    await using cli = await fixture();
    const untilSize = 'until [ "$(stty size)" = "20 70" ]; do sleep 0.05; done; echo "it is 20 70"';
    const script = `stty size; read a; echo "got $a"; ${untilSize}; exit 6`;
    const screen = new Screen(cli, ['run', '--', 'sh', '-c', script]);
    await screen.shows('28 90');
    screen.type('hello\r');
    await screen.shows('got hello');
    screen.pty.resize(70, 20);
    await screen.shows('it is 20 70');
    expect(await screen.exit).toBe(6);
    expect(screen.text).not.toContain('$ sh -c');
  });

  it('shows output at once, without waiting for an event', async () => {
    await using cli = await fixture();
    const screen = new Screen(cli, ['run', '--', 'sh', '-c', 'echo up; exec cat']);
    // Echo is on: each key comes back from the task's terminal, this one too, which is typed before it is there.
    screen.type('a');
    // Until then our own terminal still takes keys as a shell's, and would take the end of input for itself.
    await screen.shows('up');
    for (const letter of 'bcdefgh') {
      screen.type(letter);
      await screen.shows(letter);
    }
    screen.type('\r\x04');
    expect(await screen.exit).toBe(0);
  });

  it('says which step prints, where there are several', async () => {
    await using cli = await fixture();
    const screen = new Screen(cli, ['run', '--step', 'echo one', '--step', 'exit 2']);
    expect(await screen.exit).toBe(2);
    expect(screen.text).toContain('[1/2] $ echo one');
    expect(screen.text).toContain('step 2 of 2 failed with exit code 2.');
  });

  it('gives Ctrl-C to the program, and a second one within a second to the run', async () => {
    await using cli = await fixture();
    const polite = new Screen(cli, [
      'run',
      '--',
      'sh',
      '-c',
      "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.1; done",
    ]);
    await polite.shows('ready');
    polite.type('\x03');
    await polite.shows('caught');
    expect(await polite.exit).toBe(9);
    const stubborn = new Screen(cli, [
      'run',
      '--',
      'sh',
      '-c',
      "trap '' INT; echo ready; sleep 60; sleep 60",
    ]);
    await stubborn.shows('ready');
    stubborn.type('\x03');
    await stubborn.shows('^C');
    stubborn.type('\x03');
    expect(await stubborn.exit).toBe(130);
    expect(stubborn.text).toContain('orchestrator: cancelled.\r\n');
    if (!isServed) expect(cli.leftovers()).toEqual([]);
  });
});

describe.each(kinds)('attach to what runs $where', ({ isServed }) => {
  const fixture = (): Promise<CliFixture> => openFixture(isServed);

  it('shows the screen, passes keys on, and leaves with Ctrl-\\ d', async () => {
    await using cli = await fixture();
    const running = cli.start([
      'run',
      '--',
      'sh',
      '-c',
      'echo "before you came"; while read line; do echo "heard $line"; [ "$line" = end ] && exit 5; done',
    ]);
    await running.shows('before you came');
    const [terminal] = (await cli.json(['ps']))['terminals'] as { id: string }[];
    const first = new Screen(cli, ['attach', terminal?.id ?? '']);
    await first.shows('before you came');
    first.type('one\r');
    await first.shows('heard one');
    first.type('\x1cd');
    expect(await first.exit).toBe(0);
    expect(first.text).toContain('Detached; it goes on.');
    const second = new Screen(cli, ['attach', terminal?.id.slice(0, 8) ?? '']);
    await second.shows('heard one');
    second.type('end\r');
    expect(await second.exit).toBe(5);
    const { code, stdout } = await running.result;
    expect(code).toBe(5);
    expect(stdout.toString()).toContain('heard one\n');
  });

  it('says what else there is where it cannot attach', async () => {
    await using cli = await fixture();
    await cli.run(['run', '--', 'echo', 'x']);
    const [run] = (await cli.json(['ps', '--all']))['runs'] as { id: string }[];
    const screen = new Screen(cli, ['attach', run?.id ?? '']);
    expect(await screen.exit).toBe(5);
    expect(screen.text).toContain('orchestrator logs');
    expect((await cli.run(['attach', run?.id ?? ''])).code).toBe(2);
  });
});

it('lists within the width of the terminal', async () => {
  await using cli = new CliFixture(dist);
  await cli.run(['run', '--', 'echo', 'x'.repeat(300)]);
  const screen = new Screen(cli, ['ps', '--all'], { cols: 80, rows: 24 });
  expect(await screen.exit).toBe(0);
  for (const line of screen.text.split('\r\n')) expect(line.length).toBeLessThanOrEqual(80);
});
