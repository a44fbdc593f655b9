import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createProcessMetrics } from '../../src/adapters/system/processMetrics.ts';
import { createShellFolder } from '../../src/adapters/system/shellFolder.ts';
import { createSystemEnvironment } from '../../src/adapters/system/systemEnvironment.ts';
import { openSqliteStore } from '../../src/adapters/sqlite/sqliteStore.ts';
import { systemClock } from '../../src/base/clock.ts';
import { systemIds } from '../../src/base/ids.ts';
import { nullLogger } from '../../src/base/logger.ts';
import { Orchestrator } from '../../src/core/orchestrator.ts';
import type { Store } from '../../src/core/ports/store.ts';
import type { TerminalSessions } from '../../src/core/terminals/terminalSessions.ts';
import { buildHost, HostFixture } from './processHostHarness.ts';

let distDir: string;
let fixture: HostFixture;
let home: string;
let store: Store;
let core: Orchestrator;
let sessions: TerminalSessions;

beforeAll(async () => {
  distDir = await buildHost();
});
afterAll(() => rmSync(distDir, { recursive: true, force: true }));

beforeEach(async () => {
  fixture = new HostFixture(distDir);
  home = mkdtempSync(join(tmpdir(), 'ow-home-'));
  store = openSqliteStore(join(fixture.stateDir, 'orchestrator.db')).store;
  core = createCore();
  await core.start();
  sessions = core.terminalSessions;
});
afterEach(async () => {
  await core.close();
  store.dispose();
  await fixture.dispose();
  rmSync(home, { recursive: true, force: true });
});

function createCore(shell = '/bin/bash'): Orchestrator {
  const env = { PATH: process.env['PATH'] ?? '', HOME: home, SHELL: shell, LANG: 'C.UTF-8' };
  return new Orchestrator({
    store,
    processHost: fixture.client(),
    environment: createSystemEnvironment({ version: '1.0.0', env }),
    processMetrics: createProcessMetrics(),
    shellFiles: createShellFolder(join(fixture.stateDir, 'shell files')),
    clock: systemClock,
    ids: systemIds,
    logger: nullLogger,
  });
}

describe('the patterns of the seed', () => {
  it('1: one agent runs a task', async () => {
    const agentId = 'orchestrator:codegen-agent-42';
    const session = await sessions.spawnTerminalManaged(80, 24, agentId);
    expect(session).toMatchObject({ cols: 80, rows: 24, managed_by: agentId, shell: '/bin/bash' });
    expect(Math.abs(session.created_at - Date.now() / 1000)).toBeLessThan(30);
    const output: string[] = [];
    await sessions.listenToTerminalOutput(session.id, (data) => output.push(data));
    await sessions.executeTerminalCommand(session.id, `cd ${home}`);
    await sessions.executeTerminalCommand(session.id, 'printf "%s\\n" "$PWD" grüße');
    await sessions.executeTerminalCommand(session.id, '(echo Finished; exit 3)');
    expect(await sessions.waitForCompletion(session.id)).toEqual({ exitCode: 3, output: 'Finished\r\n' });
    expect(sessions.getTerminalSessionInfo(session.id)).toMatchObject({ is_alive: true, exit_code: null });
    await sessions.killTerminal(session.id);
    expect(output.join('')).toContain(`${home}\r\ngrüße\r\n`);
    expect(sessions.getTerminalSessionInfo(session.id)).toMatchObject({ is_alive: false });
    await expect(sessions.killTerminal(session.id)).rejects.toThrow(`Session not found: ${session.id}`);
  });

  it('2: agents below a coordinator run in parallel and end with it, and coordinator-0010 stays', async () => {
    const coordinatorId = 'orchestrator:coordinator-001';
    const other = await sessions.spawnTerminalManaged(80, 24, `${coordinatorId}0:codegen`);
    const agents = [
      { name: 'codegen', task: 'echo built' },
      { name: 'test', task: 'echo tested; false' },
      { name: 'lint', task: 'echo linted' },
    ];
    const started = await Promise.all(
      agents.map((agent) => sessions.spawnTerminalManaged(80, 24, `${coordinatorId}:${agent.name}`)),
    );
    await Promise.all(
      started.map((session, i) => sessions.executeTerminalCommand(session.id, agents[i]!.task)),
    );
    const results = await Promise.all(started.map((session) => sessions.waitForCompletion(session.id)));
    expect(results).toEqual([
      { exitCode: 0, output: 'built\r\n' },
      { exitCode: 1, output: 'tested\r\n' },
      { exitCode: 0, output: 'linted\r\n' },
    ]);
    expect(await sessions.killSessionsByManager(coordinatorId, { exact: true })).toBe(0);
    expect(sessions.listSessionsByManager(coordinatorId)).toHaveLength(3);
    expect(await sessions.killSessionsByManager(coordinatorId)).toBe(3);
    expect(sessions.listTerminalSessions().map(({ id }) => id)).toEqual([other.id]);
  });

  it('3: a command that goes on is watched', async () => {
    const session = await sessions.spawnTerminalManaged(80, 24, 'orchestrator:deployment-agent');
    const deployed = sessions.waitForPattern(session.id, /Deploy(ed) v\d+/);
    await sessions.executeTerminalCommand(
      session.id,
      'for i in 1 2; do echo step $i; done; echo Deploy"ed" v7',
    );
    expect(await deployed).toEqual({ match: 'Deployed v7', line: 'Deployed v7' });
    expect(await sessions.searchOutput(session.id, /^step \d$/)).toMatchObject([
      { text: 'step 1' },
      { text: 'step 2' },
    ]);
    expect(await sessions.readScreen(session.id)).toContain('Deployed v7');
    expect(await sessions.killSessionsByManager('orchestrator:deployment-agent')).toBe(1);
  });
});

describe('errors', () => {
  const id = '3f1d2c4b-0000-4000-8000-000000000001';
  it('have the texts of the seed', async () => {
    const text = `Session not found: ${id}`;
    expect(() => sessions.getTerminalSessionInfo(id)).toThrow(text);
    await expect(sessions.executeTerminalCommand(id, 'x')).rejects.toThrow(text);
    await expect(sessions.killTerminal(id)).rejects.toThrow(text);
    await expect(sessions.listenToTerminalOutput(id, () => undefined)).rejects.toThrow(text);
    expect(await sessions.killSessionsByManager('nobody')).toBe(0);
    const ended = await sessions.spawnTerminal(80, 24);
    expect(ended.managed_by).toBeNull();
    await sessions.executeTerminalCommand(ended.id, 'exit 4');
    expect(await sessions.waitForCompletion(ended.id)).toMatchObject({ exitCode: 4 });
    expect(sessions.getTerminalSessionInfo(ended.id)).toMatchObject({ is_alive: false, exit_code: 4 });
    await expect(sessions.writeToTerminal(ended.id, 'x')).rejects.toThrow(/^Failed to write to PTY: /);
  });

  it('keep an agent to what is its own', async () => {
    const mine = await sessions.spawnTerminal(80, 24);
    const agent = sessions.asPrincipal('orchestrator:a');
    const own = await agent.spawnTerminal(80, 24);
    expect(own.managed_by).toBe('orchestrator:a');
    const below = await agent.spawnTerminalManaged(80, 24, 'orchestrator:a:b');
    expect(agent.listTerminalSessions().map((session) => session.id)).toEqual([own.id, below.id]);
    const denied = { code: 'PERMISSION_DENIED', reason: 'permission_denied' };
    await expect(agent.executeTerminalCommand(mine.id, 'ls')).rejects.toMatchObject(denied);
    await expect(agent.killTerminal(mine.id)).rejects.toMatchObject(denied);
    await expect(agent.readOutput(mine.id)).rejects.toMatchObject(denied);
    await expect(agent.spawnTerminalManaged(80, 24, 'orchestrator:b')).rejects.toMatchObject(denied);
    await expect(sessions.asPrincipal('orchestrator:a:b').killTerminal(own.id)).rejects.toMatchObject(denied);
    expect(await agent.killSessionsByManager('orchestrator')).toBe(2);
    expect(sessions.listTerminalSessions().map((session) => session.id)).toEqual([mine.id]);
  });
});

describe.each(['bash', 'zsh', 'fish', 'dash', 'sh'])('in %s', (shell) => {
  const rc: Record<string, [file: string, text: string]> = {
    bash: ['.bashrc', 'export MINE=from-rc\nPS1="mine> "\nPROMPT_COMMAND="SEEN=\\$?"\n'],
    zsh: ['.zshrc', 'export MINE=from-rc\nPS1="mine> "\nprecmd() { SEEN=$? }\n'],
    fish: ['.config/fish/config.fish', 'set -gx MINE from-rc\n'],
    dash: ['.shrc', 'export MINE=from-rc\n'],
    sh: ['.shrc', 'export MINE=from-rc\n'],
  };

  async function start(): Promise<string> {
    const [file, text] = rc[shell]!;
    mkdirSync(join(home, '.config/fish'), { recursive: true });
    writeFileSync(join(home, file), text);
    const env = shell === 'dash' || shell === 'sh' ? { ENV: '$HOME/.shrc' } : {};
    return (await core.terminals.spawn({ shell, cwd: home, env })).id;
  }
  const run = async (id: string, command: string) => {
    await sessions.executeTerminalCommand(id, command);
    return sessions.waitForCompletion(id, { timeoutMs: 20_000 });
  };

  it('exit code and exact output are known, typed ahead or at the prompt, and rc files count', async () => {
    const id = await start();
    expect(await run(id, 'echo "$MINE"')).toEqual({ exitCode: 0, output: 'from-rc\r\n' });
    expect(await run(id, 'printf hi')).toEqual({ exitCode: 0, output: 'hi' });
    expect(await run(id, 'sh -c "exit 7"')).toEqual({ exitCode: 7, output: '' });
    // A second answer without a command in between is the same one.
    expect(await sessions.waitForCompletion(id)).toEqual({ exitCode: 7, output: '' });
    await sessions.executeTerminalCommand(id, 'sleep 0.3; echo first');
    await sessions.executeTerminalCommand(id, 'echo second');
    expect(await sessions.waitForCompletion(id)).toEqual({ exitCode: 0, output: 'second\r\n' });
    if (shell === 'bash' || shell === 'zsh') {
      await run(id, 'sh -c "exit 5"');
      expect((await run(id, 'echo $SEEN')).output).toBe('5\r\n');
    }
  });

  it('nothing that is printed ends a command, and no child sees the nonce', async () => {
    const id = await start();
    const forged = 'printf "\\033]133;D;0\\007\\033]133;D;0;aid=0\\007"; sleep 0.2; sh -c "exit 9"';
    expect((await run(id, forged)).exitCode).toBe(9);
    expect((await run(id, 'env')).output).not.toMatch(/NONCE|__ow_|ZDOTDIR|SHELL_ENV/);
  });

  it('the end of the shell is the end of its command', async () => {
    const id = await start();
    const result = await run(id, 'echo bye; exit 6');
    expect(result.exitCode).toBe(6);
    expect(result.output).toMatch(/^bye\r\n/);
  });

  it('is known to the next core too', async () => {
    const id = await start();
    // Past the prompt, so that nothing is typed ahead: of that, the next core could not know in dash.
    await run(id, 'true');
    await run(id, 'echo one; sh -c "exit 2"');
    await core.close();
    core = createCore();
    await core.start();
    sessions = core.terminalSessions;
    expect(await sessions.waitForCompletion(id)).toEqual({ exitCode: 2, output: 'one\r\n' });
  });
});

describe('metrics', () => {
  it('count the whole tree of a terminal, its processor time and what it wrote', async () => {
    const script = 'sleep 60 & yes >/dev/null & echo ready; wait';
    const { id } = await core.terminals.spawn({ shell: 'sh', args: ['-c', script] });
    await sessions.waitForPattern(id, 'ready', { from: 0 });
    const metrics = await sessions.getTerminalMetrics(id);
    expect(metrics?.processes).toBe(3);
    expect(metrics?.cpuPercent).toBeGreaterThan(5);
    expect(metrics?.writtenBytes).toBeGreaterThan(1_000);
    await sessions.killTerminal(id);
    expect(await sessions.getTerminalMetrics(id)).toBeUndefined();
  });
});

describe('without marks', () => {
  it('a program is waited for until it exits', async () => {
    const { id } = await core.terminals.spawn({ shell: 'sh', args: ['-c', 'echo done; exit 3'] });
    expect(await sessions.waitForCompletion(id)).toEqual({ exitCode: 3, output: 'done\r\n' });
  });

  it('a shell says why it cannot be waited for', async () => {
    const { id } = await core.terminals.spawn({ shell: 'cat' });
    await expect(sessions.waitForCompletion(id, { timeoutMs: 50 })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      reason: 'terminal_unmarked',
    });
  });
});

describe('output', () => {
  it('is there for who comes late: from an offset, the last lines, a search', async () => {
    const { id } = await core.terminals.spawn({ shell: 'sh', args: ['-c', 'seq 1 20000; echo "grün 🎉"'] });
    await sessions.waitForCompletion(id);
    const all = await sessions.readOutput(id);
    expect(all).toMatchObject({ from: 0 });
    expect(all.text).toMatch(/^1\r\n2\r\n[^]*20000\r\ngrün 🎉\r\n$/);
    const rest = await sessions.readOutput(id, all.to - 13);
    expect(rest).toEqual({ from: all.to - 13, to: all.to, text: '\ngrün 🎉\r\n' });
    expect(await sessions.readOutput(id, all.to + 5)).toMatchObject({ text: '' });
    expect(await sessions.readLastLines(id, 2)).toEqual(['20000', 'grün 🎉']);
    expect(await sessions.searchOutput(id, '1999')).toHaveLength(12);
    expect((await sessions.searchOutput(id, /^199\d$/))[0]).toEqual({ line: 1990, text: '1990' });
    await expect(sessions.waitForPattern(id, 'more')).rejects.toMatchObject({ reason: 'terminal_ended' });
    expect(await sessions.waitForPattern(id, 'grün', { from: 0 })).toEqual({
      match: 'grün',
      line: 'grün 🎉',
    });
  });

  it('is waited for, in time, and across the pieces in which it comes', async () => {
    const script = 'read x; printf "REA"; sleep 0.1; printf "\\033[1mDY\\033[0m\\n"; sleep 60';
    const { id } = await core.terminals.spawn({ shell: 'sh', args: ['-c', script] });
    const ready = sessions.waitForPattern(id, 'READY');
    await sessions.writeToTerminal(id, 'go\n');
    expect((await ready).match).toBe('READY');
    await expect(sessions.waitForPattern(id, 'READY', { timeoutMs: 30 })).rejects.toMatchObject({
      reason: 'output_timeout',
    });
  });
});
