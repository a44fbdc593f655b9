import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../base/clock.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { FollowSink, SpawnTerminalOptions, TerminalExitStatus } from '../../core/ports/processHost.ts';
import type { RunnerResult } from '../../core/runs/run.ts';
import type { RunEventData, RunEventType, ShellRunSpec } from '../../core/runs/runEvents.ts';
import { type RunnerTerminals, ShellRunner } from './shellRunner.ts';
import { interruptGraceMs } from './stopper.ts';

const nonce = 'a'.repeat(32);
const terminalId = '00000000-0000-4000-8000-000000000001';
const startMark = (step: number): string => `\x1b]133;C;aid=${nonce};step=${step}\x07`;
const endMark = (step: number, code: number): string => `\x1b]133;D;${code};aid=${nonce};step=${step}\x07`;
const exitMark = (step: number, code: number): string =>
  `\x1b]133;D;${code};aid=${nonce};step=${step};exit\x07`;

/** One terminal after the other, driven by the test. */
class FakeTerminals implements RunnerTerminals {
  readonly spawned: SpawnTerminalOptions[] = [];
  readonly calls: string[] = [];
  spawnError: Error | undefined;
  private record = Buffer.alloc(0);
  private sink: FollowSink | undefined;
  private nextFollow = Promise.withResolvers<void>();

  async spawnTerminal(options: SpawnTerminalOptions) {
    if (this.spawnError !== undefined) throw this.spawnError;
    this.spawned.push(options);
    this.record = Buffer.alloc(0);
    return { ...options, pid: 4_242, startedAt: 0, recordStart: 0, end: 0 };
  }
  async followTerminal(_id: string, _options: unknown, sink: FollowSink) {
    this.sink = sink;
    this.nextFollow.resolve();
    this.nextFollow = Promise.withResolvers();
    return { ack: () => undefined, dispose: () => undefined };
  }
  async writeTerminal(_id: string, data: string | Uint8Array) {
    this.calls.push(`write ${JSON.stringify(data)}`);
  }
  async killTerminal(_id: string, options?: { graceMs?: number }) {
    this.calls.push(`kill ${options?.graceMs}`);
  }
  async readTerminal(_id: string, from: number, to: number) {
    return { from, data: this.record.subarray(from, to), end: this.record.length };
  }

  /** Resolves when the runner follows its (next) terminal. */
  get followed(): Promise<void> {
    return this.nextFollow.promise;
  }
  output(text: string): void {
    const data = Buffer.from(text);
    const offset = this.record.length;
    this.record = Buffer.concat([this.record, data]);
    this.sink?.onData(data, offset);
  }
  exit(exitCode: number | null, signal: number | null = null): void {
    const exit: TerminalExitStatus = { exitCode, signal, reason: 'exited', exitedAt: 0 };
    this.sink?.onEnd?.({ ...exit, id: terminalId, end: this.record.length });
  }
}

function setUp(overrides: Partial<ShellRunSpec> = {}) {
  const spec: ShellRunSpec = {
    runId: '0192d000-0000-7000-8000-000000000000',
    task: 'the task',
    commands: ['first', 'second'],
    shell: '/bin/bash',
    cwd: '/srv/app',
    env: { A: 'b' },
    cols: 100,
    rows: 30,
    timeoutMs: null,
    platform: 'linux',
    ...overrides,
  };
  const clock = new FakeClock();
  const terminals = new FakeTerminals();
  const events: { type: RunEventType; data: unknown }[] = [];
  const files = { written: '', removed: 0 };
  const runner = new ShellRunner(spec, {
    emit: (type, data) => events.push({ type, data }),
    terminals,
    clock,
    ids: { hexId: () => nonce, uuidV4: () => terminalId, uuidV7: () => terminalId },
    writeDriverFile: async (script) => {
      files.written = script;
      return {
        path: '/tmp/d/driver',
        remove: () => {
          files.removed++;
        },
      };
    },
  });
  return {
    runner,
    terminals,
    clock,
    events,
    files,
    types: () => events.map((event) => event.type),
    data: <T extends RunEventType>(type: T) =>
      events.filter((event) => event.type === type).map((event) => event.data as RunEventData[T]),
  };
}

function only<T>(items: readonly T[]): T {
  expect(items).toHaveLength(1);
  return items[0]!;
}

describe('ShellRunner', () => {
  it('tells a run that succeeds in the order of the contract', async () => {
    const { runner, terminals, types, data, files } = setUp();
    const { followed } = terminals;
    const done = runner.run();
    await followed;
    expect(files.written).toContain(nonce);
    terminals.output(`$ first\r\n${startMark(1)}hello\r\n`);
    expect(files.removed).toBeGreaterThan(0);
    terminals.output(`${endMark(1, 0)}$ second\r\n${startMark(2)}`);
    terminals.output(`bye${exitMark(2, 0)}`);
    terminals.exit(0);
    await done;
    expect(types()).toEqual([
      'response.in_progress',
      'runner.started',
      'runner.steps.planned',
      'runner.shell.marks',
      'runner.terminal',
      'runner.step.started',
      'runner.step.agent_response',
      'runner.step.execution.started',
      'runner.step.output',
      'runner.step.execution.completed',
      'runner.step.completed',
      'runner.step.started',
      'runner.step.agent_response',
      'runner.step.execution.started',
      'runner.step.output',
      'runner.step.execution.completed',
      'runner.step.completed',
      'runner.completed',
      'response',
      'response.completed',
    ]);
    expect(data('runner.step.completed').map((step) => [step.status, step.completion_reason])).toEqual([
      ['in_progress', null],
      ['success', 'DONE'],
    ]);
    const from = '$ first\r\n'.length + startMark(1).length;
    const result = only(data('response'));
    expect(result).toMatchObject({ status: 'success', completion_reason: 'DONE', outcome: 'succeeded' });
    expect(result.steps[0]).toMatchObject({
      step_index: 1,
      action: 'first',
      execution_result: {
        exit_code: 0,
        terminal_id: terminalId,
        output_from: from,
        output_to: from + 'hello\r\n'.length,
        output_tail: 'hello\n',
      },
      info: { engine: 'shell', shell: '/bin/bash' },
    });
    expect(terminals.calls).toEqual([]);
    expect(terminals.spawned[0]).toMatchObject({
      file: '/bin/bash',
      cwd: '/srv/app',
      env: { A: 'b' },
      cols: 100,
      rows: 30,
    });
    expect(JSON.stringify(terminals.spawned)).not.toContain(nonce);
  });

  it('ends at the first step that fails', async () => {
    const { runner, terminals, data } = setUp();
    const { followed } = terminals;
    const done = runner.run();
    await followed;
    terminals.output(`${startMark(1)}no${exitMark(1, 3)}`);
    terminals.exit(3);
    await done;
    expect(only(data('runner.step.execution.completed')).result).toMatchObject({
      exit_code: 3,
      outcome: 'failed',
    });
    expect(only(data('runner.step.completed'))).toMatchObject({
      status: 'failed',
      completion_reason: 'FAIL',
    });
    expect(only(data('runner.completed'))).toEqual({ status: 'failed', completion_reason: 'FAIL', steps: 1 });
    expect(only(data('response.completed')).outcome).toBe('failed');
  });

  it('tells output at once, then at most every 100 ms, and its last word before the end', async () => {
    const { runner, terminals, clock, data } = setUp({ commands: ['first'] });
    const { followed } = terminals;
    const done = runner.run();
    await followed;
    terminals.output(startMark(1));
    const from = startMark(1).length;
    const reported = (): number[] => data('runner.step.output').map((output) => output.to - from);
    expect(reported()).toEqual([0]);
    for (let index = 0; index < 50; index++) {
      terminals.output('x');
      clock.advance(10);
    }
    expect(reported()).toEqual([0, 10, 20, 30, 40, 50]);
    terminals.output('yz');
    terminals.output(exitMark(1, 0));
    terminals.exit(0);
    await done;
    expect(reported().at(-1)).toBe(52);
    clock.advance(1_000);
    expect(reported().filter((to) => to === 52)).toHaveLength(1);
  });

  it('aborts: interrupt, then terminate with a time to kill, and is cancelled', async () => {
    const { runner, terminals, clock, types, data } = setUp();
    const { followed } = terminals;
    const done = runner.run();
    await followed;
    terminals.output(`${startMark(1)}working`);
    runner.abort('the user asked');
    runner.abort('again');
    expect(only(data('runner.abort.requested'))).toEqual({ reason: 'the user asked' });
    expect(terminals.calls).toEqual(['write "\\u0003"']);
    clock.advance(interruptGraceMs);
    expect(terminals.calls).toEqual(['write "\\u0003"', 'kill 700']);
    terminals.exit(null, 15);
    await done;
    expect(only(data('runner.step.execution.completed')).result).toMatchObject({
      exit_code: null,
      outcome: 'cancelled',
    });
    expect(only(data('response.completed'))).toEqual({
      status: 'failed',
      completion_reason: 'FAIL',
      outcome: 'cancelled',
    });
    expect(types().indexOf('runner.abort.requested')).toBeLessThan(types().indexOf('runner.step.completed'));
    expect(terminals.calls).toHaveLength(2);
  });

  it('sweeps the process tree even when Ctrl-C ended the shell by itself', async () => {
    const { runner, terminals } = setUp();
    const { followed } = terminals;
    const done = runner.run();
    await followed;
    terminals.output(startMark(1));
    runner.abort('x');
    terminals.output(exitMark(1, 130));
    terminals.exit(null, 2);
    await done;
    expect(terminals.calls).toEqual(['write "\\u0003"', 'kill 700']);
  });

  it('starts nothing when it was aborted before', async () => {
    const { runner, terminals, types, data } = setUp();
    runner.abort('x');
    await runner.run();
    expect(terminals.spawned).toEqual([]);
    expect(types()).toContain('runner.abort.requested');
    expect(only(data('response')).steps).toEqual([]);
    expect(only(data('response.completed')).outcome).toBe('cancelled');
  });

  it('times out', async () => {
    const { runner, terminals, clock, types, data } = setUp({ timeoutMs: 5_000 });
    const { followed } = terminals;
    const done = runner.run();
    await followed;
    terminals.output(startMark(1));
    clock.advance(5_000);
    clock.advance(interruptGraceMs);
    expect(terminals.calls).toEqual(['write "\\u0003"', 'kill 700']);
    terminals.exit(null, 9);
    await done;
    expect(only(data('response.completed'))).toEqual({
      status: 'timeout',
      completion_reason: 'MAX_STEPS_REACHED',
      outcome: 'timed_out',
    });
    expect(types()).not.toContain('runner.abort.requested');
  });

  it('says why there is no result when the shell cannot be started', async () => {
    const { runner, terminals, types, data, files } = setUp();
    terminals.spawnError = new OrchestratorError('NOT_FOUND', 'spawn_failed', 'No such file.');
    await runner.run();
    expect(types().slice(-2)).toEqual(['response.failed', 'error']);
    expect(only(data('response.failed'))).toEqual({ error: 'No such file.', reason: 'spawn_failed' });
    expect(files.removed).toBeGreaterThan(0);
  });

  it('says what the shell said when it ended before the first step', async () => {
    const { runner, terminals, data } = setUp();
    const { followed } = terminals;
    const done = runner.run();
    await followed;
    terminals.output('\x1b[31mbash: cat: command not found\x1b[0m\r\n');
    terminals.exit(127);
    await done;
    const failure = only(data('response.failed'));
    expect(failure.reason).toBe('spawn_failed');
    expect(failure.error).toContain(
      'exit code 127 before it ran the first command: bash: cat: command not found',
    );
  });

  it('runs a shell of another family a process a step, and says so', async () => {
    const { runner, terminals, data } = setUp({ shell: '/usr/bin/fish' });
    let { followed } = terminals;
    const done = runner.run();
    await followed;
    expect(only(data('runner.shell.marks'))).toMatchObject({ mode: 'process' });
    expect(only(data('runner.shell.marks')).reason).toContain('cd and variables do not carry over');
    terminals.output(`one${endMark(1, 9)}`);
    ({ followed } = terminals);
    terminals.exit(0);
    await followed;
    terminals.output('two');
    terminals.exit(4);
    await done;
    expect(terminals.spawned.map((spawned) => spawned.args)).toEqual([
      ['-c', 'first'],
      ['-c', 'second'],
    ]);
    const result: RunnerResult = only(data('response'));
    expect(result.outcome).toBe('failed');
    expect(result.steps.map((step) => step.execution_result)).toMatchObject([
      { exit_code: 0, output_from: 0, output_to: 3 + endMark(1, 9).length },
      { exit_code: 4, output_from: 0, output_to: 3, output_tail: 'two' },
    ]);
  });

  it('reports that the host is gone', async () => {
    const { runner, terminals, data } = setUp();
    terminals.followTerminal = async (_id, _options, sink) => {
      sink.onLost?.({ code: 'UNAVAILABLE', reason: 'process_host_lost', message: 'The process host ended.' });
      return { ack: () => undefined, dispose: () => undefined };
    };
    await runner.run();
    expect(only(data('response.failed')).reason).toBe('process_host_lost');
  });
});
