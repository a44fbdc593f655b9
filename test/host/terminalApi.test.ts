import * as assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { suite, suiteSetup, suiteTeardown, test } from 'mocha';
import * as vscode from 'vscode';
import type { OrchestrationWorkbenchApi } from '../../src/vscode/api.ts';

/** What another extension gets. The patterns below are seed 003's as printed, but for the folder of the repository. */
suite('the exported terminal API', () => {
  let api: OrchestrationWorkbenchApi;
  let root: string;
  let repository: string;
  const pathBefore = process.env['PATH'];
  const homeBefore = process.env['HOME'];

  suiteSetup(async () => {
    root = mkdtempSync(join(tmpdir(), 'ow-api-'));
    repository = join(root, 'repo');
    mkdirSync(repository);
    execFileSync('git', ['init', '--quiet', repository]);
    program(join(root, 'cargo'), 'echo "running cargo $1"\necho "    Finished dev target(s)"');
    program(join(workspaceFolder(), 'deploy.sh'), 'echo ERROR: slow start >&2\necho Deployed');
    // The process host, and with it every shell, starts with what this extension host has.
    process.env['PATH'] = `${root}${delimiter}${pathBefore ?? ''}`;
    // No start-up file may put another cargo before ours.
    process.env['HOME'] = root;
    const extension = vscode.extensions.getExtension<OrchestrationWorkbenchApi>(
      'orchestration-workbench.orchestration-workbench',
    );
    assert.ok(extension, 'the extension is not installed in this host');
    api = await extension.activate();
    await api.whenReady();
  });

  suiteTeardown(async () => {
    process.env['PATH'] = pathBefore;
    process.env['HOME'] = homeBefore;
    for (const { id } of await api.listTerminalSessions()) await api.killTerminal(id);
    rmSync(root, { recursive: true, force: true });
    rmSync(join(workspaceFolder(), 'deploy.sh'), { force: true });
  });

  test('single-agent task execution (pattern 1)', async () => {
    const { spawnTerminalManaged, listenToTerminalOutput, executeTerminalCommand } = api;
    const { waitForCompletion, killTerminal } = api;

    // 1. Spawn session for agent
    const agentId = 'orchestrator:codegen-agent-42';
    const session = await spawnTerminalManaged(80, 24, agentId);
    // 2. Listen to output
    const output: string[] = [];
    await listenToTerminalOutput(session.id, (data) => {
      output.push(data);
    });
    // 3. Execute task commands
    await executeTerminalCommand(session.id, `cd ${repository}`);
    await executeTerminalCommand(session.id, 'git checkout -b feature/new-api');
    await executeTerminalCommand(session.id, 'cargo build');
    // 4. Wait for completion
    const completion = await waitForCompletion(session.id);
    // 5. Cleanup
    await killTerminal(session.id);
    // 6. Parse output for results
    const buildSuccess = output.some((line) => line.includes('Finished'));

    assert.equal(buildSuccess, true);
    assert.equal(completion.exitCode, 0);
    assert.match(completion.output, /^running cargo build\r?\n +Finished/);
    assert.equal((await api.getTerminalSessionInfo(session.id)).is_alive, false);
    const branch = execFileSync('git', ['-C', repository, 'symbolic-ref', '--short', 'HEAD'], {
      encoding: 'utf8',
    });
    assert.equal(branch.trim(), 'feature/new-api');
  });

  test('parallel multi-agent execution (pattern 2), which leaves others alone', async () => {
    const { spawnTerminalManaged, executeTerminalCommand, waitForCompletion, killSessionsByManager } = api;
    const other = await spawnTerminalManaged(80, 24, 'orchestrator:coordinator-0010:codegen');

    const coordinatorId = 'orchestrator:coordinator-001';
    // Spawn sessions for multiple sub-agents
    const agents = [
      { name: 'codegen', task: 'cargo build' },
      { name: 'test', task: 'cargo test' },
      { name: 'lint', task: 'cargo clippy' },
    ];
    const sessions = await Promise.all(
      agents.map((agent) => spawnTerminalManaged(80, 24, `${coordinatorId}:${agent.name}`)),
    );
    // Execute tasks in parallel
    await Promise.all(
      sessions.map((session, i) => executeTerminalCommand(session.id, agents[i]?.task ?? '')),
    );
    // Monitor all sessions
    const results = await Promise.all(sessions.map((session) => waitForCompletion(session.id)));
    const owned = await api.listSessionsByManager(coordinatorId);
    // Cleanup all at once
    const killed = await killSessionsByManager(coordinatorId);

    assert.deepEqual(
      results.map(({ exitCode }) => exitCode),
      [0, 0, 0],
    );
    assert.deepEqual(
      results.map((result) => result.output.split(/\r?\n/)[0]),
      ['running cargo build', 'running cargo test', 'running cargo clippy'],
    );
    assert.equal(owned.length, 3);
    assert.equal(killed, 3);
    assert.deepEqual(await api.listSessionsByManager(coordinatorId), []);
    assert.equal((await api.getTerminalSessionInfo(other.id)).is_alive, true);
  });

  test('long-running agent with monitoring (pattern 3)', async () => {
    const { spawnTerminalManaged, listenToTerminalOutput, executeTerminalCommand } = api;
    const notified: string[] = [];
    const notifyOrchestrator = (kind: string, data: string): void => {
      assert.notEqual(data, '');
      notified.push(kind);
    };

    const agentId = 'orchestrator:deployment-agent';
    // Spawn persistent session
    const session = await spawnTerminalManaged(80, 24, agentId);
    // Setup monitoring
    const logs: string[] = [];
    await listenToTerminalOutput(session.id, (data) => {
      logs.push(data);
      // Real-time analysis
      if (data.includes('ERROR')) notifyOrchestrator('error', data);
      if (data.includes('Deployed')) notifyOrchestrator('success', data);
    });
    // Execute long-running deployment
    await executeTerminalCommand(session.id, './deploy.sh');
    await api.waitForCompletion(session.id);
    // Session remains active for subsequent commands
    await executeTerminalCommand(session.id, 'false');
    assert.equal((await api.waitForCompletion(session.id)).exitCode, 1);
    // Later: cleanup when agent is done
    assert.equal(await api.killSessionsByManager(agentId), 1);

    assert.deepEqual([...new Set(notified)].toSorted(), ['error', 'success']);
    assert.match(logs.join(''), /ERROR: slow start[\s\S]*Deployed/);
  });

  test('the manual test of the seed', async () => {
    const s1 = await api.spawnTerminal(80, 24);
    assert.equal(s1.managed_by, null);
    const s2 = await api.spawnTerminalManaged(80, 24, 'orchestrator:test');
    assert.equal(s2.managed_by, 'orchestrator:test');
    const all = await api.listTerminalSessions();
    assert.ok([s1.id, s2.id].every((id) => all.some((session) => session.id === id)));
    await api.executeTerminalCommand(s2.id, 'echo "Hello from Orchestrator"');
    assert.equal((await api.waitForCompletion(s2.id)).output.trim(), 'Hello from Orchestrator');
    const managed = await api.listSessionsByManager('orchestrator:test');
    assert.deepEqual(
      managed.map(({ id }) => id),
      [s2.id],
    );
    assert.equal(await api.killSessionsByManager('orchestrator:test'), 1);
  });

  test('late listeners get what was printed before', async () => {
    const { id } = await api.spawnTerminalManaged(80, 24, 'orchestrator:late');
    await api.executeTerminalCommand(id, 'seq 1 50');
    await api.waitForCompletion(id);
    let heard = '';
    const stop = await api.listenToTerminalOutput(id, (data) => (heard += data), { from: 0 });
    await api.waitForPattern(id, /^50\r?$/m, { from: 0, timeoutMs: 10_000 });
    assert.match(heard, /1\r?\n2\r?\n3[\s\S]*49\r?\n50/);
    assert.deepEqual(
      (await api.searchOutput(id, /^4[0-2]$/)).map(({ text }) => text),
      ['40', '41', '42'],
    );
    stop();
    await api.killTerminal(id);
  });

  test('an agent reaches only what is its own', async () => {
    const own = api.asPrincipal('orchestrator:a');
    const { id } = await api.spawnTerminalManaged(80, 24, 'orchestrator:b');
    const mine = await own.spawnTerminal(80, 24);
    assert.equal(mine.managed_by, 'orchestrator:a');
    await assert.rejects(own.writeToTerminal(id, 'x'), { reason: 'permission_denied' });
    assert.equal(await own.killSessionsByManager('orchestrator:b'), 0);
    assert.equal((await api.getTerminalSessionInfo(id)).is_alive, true);
  });

  test('bad input is refused in the words of the seed', async () => {
    const unknown = '00000000-0000-4000-8000-000000000000';
    const message = `Session not found: ${unknown}`;
    await assert.rejects(api.getTerminalSessionInfo(unknown), { message });
    await assert.rejects(api.executeTerminalCommand(unknown, 'ls'), { message });
    await assert.rejects(api.spawnTerminal(0, 24), { reason: 'invalid_request' });
    await assert.rejects(api.spawnTerminalManaged(80, 24, 'two words'), { reason: 'invalid_request' });
    const { id } = await api.spawnTerminal(80, 24);
    await api.killTerminal(id);
    await assert.rejects(api.writeToTerminal(id, 'x'), /Failed to write to PTY/);
  });
});

function workspaceFolder(): string {
  const folder = vscode.workspace.workspaceFolders?.[0];
  assert.ok(folder, 'the suite needs a folder');
  return folder.uri.fsPath;
}

function program(path: string, script: string): void {
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
}
