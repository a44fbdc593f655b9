// The shell runner as the process host runs it: real shells, real terminals, the built worker.
import { randomUUID } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemIds } from '../../src/base/ids.ts';
import { nullLogger } from '../../src/base/logger.ts';
import type { ProcessHost, WorkerEvent } from '../../src/core/ports/processHost.ts';
import type { RunEventData, RunEventType, ShellRunSpec } from '../../src/core/runs/runEvents.ts';
import { createProcessHostClient } from '../../src/processHost/client.ts';
import { endProcesses, processesMarked, waitUntil } from '../harness/processes.ts';
import { buildProduct, findProgram, node, plainEnvironment } from './cliHarness.ts';

let dist: string;
let stateDir: string;
let host: ProcessHost;
const events = new Map<string, WorkerEvent[]>();

beforeAll(() => {
  dist = buildProduct();
}, 60_000);
afterAll(() => {
  rmSync(dist, { recursive: true, force: true });
});
beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'ow-shell-'));
  host = createProcessHostClient({
    stateDir,
    distDir: dist,
    version: 'test',
    logger: nullLogger,
    execPath: node,
  });
  host.onDidReceiveWorkerEvent((event) => {
    events.set(event.workerId, [...(events.get(event.workerId) ?? []), event]);
  });
});
afterEach(async () => {
  const { connection } = host;
  host.dispose();
  if (connection.state === 'connected') await endProcesses([connection.pid]);
  rmSync(stateDir, { recursive: true, force: true });
});

class TestRun {
  readonly id = systemIds.uuidV7();

  async start(
    commands: readonly string[],
    overrides: Partial<ShellRunSpec> = {},
    workerEnv: Readonly<Record<string, string>> = {},
  ): Promise<this> {
    const spec: ShellRunSpec = {
      runId: this.id,
      task: commands.join('\n'),
      commands,
      shell: '/bin/bash',
      cwd: tmpdir(),
      env: plainEnvironment(),
      cols: 120,
      rows: 30,
      timeoutMs: null,
      platform: 'linux',
      ...overrides,
    };
    await host.startWorker({
      id: this.id,
      kind: 'shell',
      spec,
      env: { PATH: process.env['PATH'] ?? '', ...workerEnv },
    });
    await host.followWorker(this.id, 0);
    return this;
  }

  data<T extends RunEventType>(type: T): RunEventData[T][] {
    return (events.get(this.id) ?? [])
      .filter((event) => event.type === type)
      .map((event) => event.data as unknown as RunEventData[T]);
  }

  types(): string[] {
    return (events.get(this.id) ?? []).map((event) => event.type);
  }

  async until(type: string): Promise<void> {
    await waitUntil(type, () => this.types().includes(type), { limitMs: 20_000, everyMs: 5 });
  }

  /** Waits for the end and gives what each step printed, byte for byte, as Latin-1 text. */
  async outputs(): Promise<string[]> {
    await this.until('worker.exited');
    const results = this.data('runner.step.execution.completed');
    return Promise.all(
      results.map(async ({ result }) => {
        if (!('terminal_id' in result)) throw new Error('A shell step has a terminal.');
        const { terminal_id, output_from, output_to } = result;
        const { data } = await host.readTerminal(terminal_id ?? '', output_from ?? 0, output_to ?? 0);
        return Buffer.from(data).toString('latin1');
      }),
    );
  }

  exitCodes(): (number | null)[] {
    return this.data('runner.step.execution.completed').map(({ result }) => result.exit_code);
  }

  outcome(): string | undefined {
    return this.data('response.completed')[0]?.outcome;
  }
}

const run = (...args: Parameters<TestRun['start']>): Promise<TestRun> => new TestRun().start(...args);

/** The last three are not part of every system; where one is missing its tests count as skipped. */
const shells = ['bash', 'zsh', 'dash', 'ksh', 'mksh', 'busybox'];

it('has the shells that are promised', () => {
  for (const name of ['bash', 'zsh', 'dash']) expect(findProgram(name), name).toBeDefined();
});

describe.each(shells)('%s', (name) => {
  const shell = findProgram(name) ?? '';
  const test = it.skipIf(shell === '');

  test('carries directory, variables and functions from step to step, with exact output', async () => {
    const started = await run(
      [
        'cd /usr; export A=1; b=2; f() { echo "f $1"; }',
        'printf "%s-%s-%s" "$PWD" "$A" "$b"',
        'f x; echo; echo err >&2',
      ],
      { shell },
    );
    expect(await started.outputs()).toEqual(['', '/usr-1-2', 'f x\r\n\r\nerr\r\n']);
    expect(started.exitCodes()).toEqual([0, 0, 0]);
    expect(started.outcome()).toBe('succeeded');
    expect(started.data('runner.shell.marks')[0]?.mode).toBe('marks');
    expect(started.data('runner.terminal')).toHaveLength(1);
  });

  test.each([
    ['exit', ['true', 'echo a; exit 3', 'echo never'], ['', 'a\r\n'], [0, 3]],
    ['a failing command', ['false', 'echo never'], [''], [1]],
    ['set -e', ['set -e', 'false; echo never'], ['', ''], [0, 1]],
    ['exec', ['exec sh -c "echo b; exit 5"', 'echo never'], ['b\r\n'], [5]],
    ['a subshell killed by a signal', ['sh -c "kill -9 \\$\\$"'], undefined, [137]],
    ['the shell killed', ['echo c; kill -9 $$', 'echo never'], ['c\r\n'], [137]],
    [
      'a redirected shell',
      ['exec 3>&1 >/dev/null; echo gone', 'exec >&3; echo back'],
      ['', 'back\r\n'],
      [0, 0],
    ],
    [
      'an EXIT trap of its own',
      ["trap 'echo bye' EXIT; echo one", 'echo two'],
      ['one\r\n', 'two\r\nbye\r\n'],
      [0, 0],
    ],
    ['options that a step sets', ['set -o noglob', 'echo *'], ['', '*\r\n'], [0, 0]],
    ['quotes', [`printf %s "it's" 'a "b"' '\\'; printf %s '$HOME'`], [`it'sa "b"\\$HOME`], [0]],
    [
      'several lines',
      ['cat <<EOF\none\n  two\nEOF', 'for i in 1 2; do\n  echo $i\ndone'],
      ['one\r\n  two\r\n', '1\r\n2\r\n'],
      [0, 0],
    ],
    ['no output and no command', ['# nothing', ':'], ['', ''], [0, 0]],
  ] as const)('%s', async (_what, commands, outputs, exitCodes) => {
    const started = await run(commands, { shell });
    const printed = await started.outputs();
    if (outputs !== undefined) expect(printed).toEqual(outputs);
    expect(started.exitCodes()).toEqual(exitCodes);
    expect(started.outcome()).toBe(exitCodes.some((code) => code !== 0) ? 'failed' : 'succeeded');
  });

  test('tells a step that cannot be read from one that can', async () => {
    const started = await run(["echo 'open", 'echo never'], { shell });
    const [output] = await started.outputs();
    expect(started.exitCodes()).toHaveLength(1);
    expect(started.exitCodes()[0]).not.toBe(0);
    expect(output).not.toContain('__ow');
    expect(output).not.toBe('');
  });

  test('takes no mark from a program, and gives the nonce to none', async () => {
    const started = await run(
      [`printf '\\033]133;D;0\\007\\033]133;D;0;aid=x;step=1\\007'; env; set`, `printf 'still here'`],
      { shell },
    );
    const [first = '', second] = await started.outputs();
    expect(first.startsWith('\x1b]133;D;0\x07\x1b]133;D;0;aid=x;step=1\x07')).toBe(true);
    expect(second).toBe('still here');
    const terminalId = started.data('runner.terminal')[0]?.terminal_id ?? '';
    const record = Buffer.from((await host.readTerminal(terminalId, 0, 1_000_000)).data).toString('latin1');
    const nonce = /aid=([0-9a-f]{32})/.exec(record)?.[1] ?? 'none';
    expect(nonce).not.toBe('none');
    // The trap of the script is what `set` may show of it in no shell.
    expect(first).not.toContain(nonce);
  });

  test('survives a Ctrl-C that the command makes use of, and dies of one that the command dies of', async () => {
    const own = `sh -c "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.05; done"; echo "then $?"`;
    const started = await run([own, 'echo ready; sleep 30; echo never', 'echo never'], { shell });
    const interrupt = async (step: number): Promise<void> => {
      const shown = await waitUntil(`step ${step} prints`, () =>
        started.data('runner.step.output').find((output) => output.step === step && output.to > output.from),
      );
      await host.writeTerminal(shown.terminal_id, '\x03');
    };
    await interrupt(1);
    await interrupt(2);
    expect(await started.outputs()).toEqual(['ready\r\n^Ccaught\r\nthen 9\r\n', 'ready\r\n^C']);
    expect(started.exitCodes()).toEqual([0, 130]);
  });

  test('keeps 200 KB of output exact', async () => {
    const started = await run(
      [`i=0; while [ $i -lt 4000 ]; do echo "line $i of the output, made longer to fill"; i=$((i+1)); done`],
      { shell },
    );
    const expected = Array.from(
      { length: 4_000 },
      (_, i) => `line ${i} of the output, made longer to fill\r\n`,
    ).join('');
    expect((await started.outputs())[0]).toBe(expected);
    const reports = started.data('runner.step.output');
    expect(reports.at(-1)?.to).toBe((reports[0]?.from ?? 0) + expected.length);
  });
});

describe('the story of a run', () => {
  it('is told in the order of the contract, and its result has all of it', async () => {
    const started = await run(['echo one', 'echo two; exit 7', 'echo never']);
    await started.until('worker.exited');
    const types = started.types().filter((type) => type !== 'runner.step.output');
    const step = ['started', 'agent_response', 'execution.started', 'execution.completed', 'completed'].map(
      (name) => `runner.step.${name}`,
    );
    expect(types).toEqual([
      'response.in_progress',
      'runner.started',
      'runner.steps.planned',
      'runner.shell.marks',
      'runner.terminal',
      ...step,
      ...step,
      'runner.completed',
      'response',
      'response.completed',
      'worker.exited',
    ]);
    expect(started.data('response')[0]).toMatchObject({
      run_id: started.id,
      status: 'failed',
      completion_reason: 'FAIL',
      outcome: 'failed',
      steps: [
        { step_index: 1, action: 'echo one', execution_result: { exit_code: 0, output_tail: 'one\n' } },
        {
          step_index: 2,
          action: 'echo two; exit 7',
          execution_result: { exit_code: 7, output_tail: 'two\n' },
        },
      ],
    });
  });

  it('tells output at most ten times a second', async () => {
    const started = await run(['for i in $(seq 100); do echo $i; sleep 0.01; done']);
    await started.until('worker.exited');
    const [completed] = started.data('runner.step.execution.completed');
    const seconds = (completed?.result.duration_ms ?? 0) / 1_000;
    expect(started.data('runner.step.output').length).toBeLessThanOrEqual(Math.ceil(seconds * 10) + 2);
  });

  it('leaves no file behind', async () => {
    const scratch = join(stateDir, 'scratch');
    mkdirSync(scratch);
    const started = await run(
      ['cat "$TMPDIR"/*/* 2>/dev/null; echo $?'],
      { env: { ...plainEnvironment(), TMPDIR: scratch } },
      { TMPDIR: scratch },
    );
    // The script is gone before the first command runs.
    expect(await started.outputs()).toEqual(['1\r\n']);
    expect(readdirSync(scratch)).toEqual([]);
  });

  it('says what is wrong where the shell cannot run', async () => {
    const started = await run(['echo x'], { shell: '/nowhere/bash' });
    await started.until('worker.exited');
    expect(started.data('response.failed')[0]).toMatchObject({ reason: 'shell_missing' });
    expect(started.data('error')).toHaveLength(1);
    const broken = join(stateDir, 'bash');
    writeFileSync(broken, '#!/bin/sh\necho "cannot start: no licence" >&2\nexit 9\n');
    chmodSync(broken, 0o755);
    const early = await run(['echo x'], { shell: broken });
    await early.until('worker.exited');
    const failure = early.data('response.failed')[0];
    expect(failure?.reason).toBe('spawn_failed');
    expect(failure?.error).toContain('exit code 9 before it ran the first command: cannot start: no licence');
  });
});

describe('a shell without marks', () => {
  const fake = (): string => {
    const path = join(stateDir, 'strange');
    writeFileSync(path, '#!/bin/sh\nexec sh "$@"\n');
    chmodSync(path, 0o755);
    return path;
  };

  it('runs each command in a process of its own, and says so', async () => {
    const started = await run(['cd /usr; x=1; echo a', 'echo "$PWD$x"; exit 4', 'echo never'], {
      shell: fake(),
    });
    expect(await started.outputs()).toEqual(['a\r\n', `${tmpdir()}\r\n`]);
    expect(started.exitCodes()).toEqual([0, 4]);
    expect(started.data('runner.terminal')).toHaveLength(2);
    expect(started.data('runner.shell.marks')[0]).toMatchObject({
      mode: 'process',
      reason: expect.stringContaining('strange is not a shell of the Bourne family'),
    });
  });

  it.runIf(findProgram('fish') !== undefined)('runs fish', async () => {
    const started = await run(['set -x A 1; echo (string upper ok)', 'exit 6'], {
      shell: findProgram('fish') ?? '',
    });
    expect(await started.outputs()).toEqual(['OK\r\n', '']);
    expect(started.exitCodes()).toEqual([0, 6]);
  });

  it('ends it when aborted', async () => {
    const started = await run(['sleep 60', 'echo never'], { shell: fake() });
    await started.until('runner.step.execution.started');
    await host.commandWorker(started.id, { type: 'abort' });
    await started.until('worker.exited');
    expect(started.outcome()).toBe('cancelled');
    expect(started.exitCodes()).toEqual([null]);
  });
});

describe('ending a run before its time', () => {
  const stubborn = [
    ['a program that sleeps', 'sleep 60'],
    ['one that hears no interrupt', "trap '' INT; sleep 60"],
    ['one that hears neither interrupt nor terminate', "trap '' INT TERM HUP; sleep 60; sleep 60"],
    ['a child that does not either', `sh -c "trap '' INT TERM HUP; sleep 60; sleep 60"`],
    ['one that left the session', 'setsid sleep 60 & sleep 60'],
    [
      'one that left it and hears nothing',
      `setsid sh -c "trap '' INT TERM HUP; while :; do sleep 1; done" & sleep 60`,
    ],
    ['one that is stopped', 'sleep 60 & kill -STOP $!; sleep 60'],
    ['many', 'for i in 1 2 3 4 5 6 7 8; do sleep 60 & done; wait'],
  ] as const;

  it.each(stubborn)('leaves nothing of %s 2 s after an abort', async (_what, command) => {
    const mark = randomUUID();
    const started = await run([command, 'echo never'], { env: { ...plainEnvironment(), OW_MARK: mark } });
    await started.until('runner.step.execution.started');
    await waitUntil('it sleeps', () => processesMarked('OW_MARK', mark).length >= 2);
    const before = performance.now();
    await host.commandWorker(started.id, { type: 'abort', data: { reason: 'test' } });
    await waitUntil('all is gone', () => processesMarked('OW_MARK', mark).length === 0, {
      limitMs: 5_000,
      everyMs: 10,
    });
    expect(performance.now() - before).toBeLessThan(2_000);
    await started.until('worker.exited');
    expect(started.outcome()).toBe('cancelled');
    expect(started.exitCodes()).toEqual([null]);
    expect(started.types()).toContain('runner.abort.requested');
  });

  it('ends a run at its time limit', async () => {
    const mark = randomUUID();
    const env = { ...plainEnvironment(), OW_MARK: mark };
    const started = await run(['echo before; sleep 60'], { env, timeoutMs: 500 });
    expect(await started.outputs()).toEqual([expect.stringContaining('before\r\n')]);
    expect(started.data('response.completed')[0]).toEqual({
      status: 'timeout',
      completion_reason: 'MAX_STEPS_REACHED',
      outcome: 'timed_out',
    });
    expect(processesMarked('OW_MARK', mark)).toEqual([]);
  });

  it('reads no file of the user before the marks say so', async () => {
    // What ENV and BASH_ENV print comes before the first step and is no part of it.
    const noisy = join(stateDir, 'noisy');
    writeFileSync(noisy, 'echo noise\n');
    const env = { ...plainEnvironment(), BASH_ENV: noisy, ENV: noisy };
    const started = await run(['echo x'], { env });
    expect(await started.outputs()).toEqual(['x\r\n']);
    expect(existsSync(noisy) && readFileSync(noisy, 'utf8')).toBe('echo noise\n');
  });
});
