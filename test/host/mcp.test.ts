import * as assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { suite, suiteSetup, suiteTeardown, test } from 'mocha';
import * as vscode from 'vscode';
import type { OrchestrationWorkbenchApi } from '../../src/vscode/api.ts';
import type { WorkbenchInternals } from '../../src/vscode/workbench.ts';

type Input = Record<string, unknown>;

/** What language models of the editor get: tools of the extension, and the MCP server that VS Code starts by itself. */
suite('language model tools and the MCP server', () => {
  let internals: WorkbenchInternals;

  suiteSetup(async () => {
    const extension = vscode.extensions.getExtension<
      OrchestrationWorkbenchApi & { internals(): Promise<WorkbenchInternals> }
    >('orchestration-workbench.orchestration-workbench');
    assert.ok(extension, 'the extension is not installed in this host');
    const api = await extension.activate();
    internals = await api.internals();
  });

  suiteTeardown(async () => {
    await vscode.commands.executeCommand('workbench.mcp.stopServer', '*');
    await internals.mcp.close();
  });

  test('the few tools are there, described as the manifest has them', () => {
    const tools = vscode.lm.tools.filter(({ name }) => name.startsWith('orchestrator_'));
    assert.deepEqual(tools.map(({ name }) => name).sort(), [
      'orchestrator_list_sessions',
      'orchestrator_read_output',
      'orchestrator_run_task',
      'orchestrator_stop',
    ]);
    for (const { description, inputSchema } of tools) {
      assert.ok(description.length > 60);
      assert.equal((inputSchema as { type?: string }).type, 'object');
    }
  });

  test('they are called through VS Code, and say what is wrong', async () => {
    const listed = await invoke('orchestrator_list_sessions', {});
    assert.ok(Array.isArray(listed['sessions']) && Array.isArray(listed['live_runs']));
    await assert.rejects(invoke('orchestrator_read_output', {}), /exactly one of run_id/);
  });

  test('nothing listens until the definition is resolved; then a client drives the workbench by it', async () => {
    const place = vscode.Uri.from({ scheme: 'unix', path: '/unresolved' });
    const resolved = await internals.mcp.resolve(new vscode.McpHttpServerDefinition('x', place));
    assert.ok(resolved instanceof vscode.McpHttpServerDefinition);
    const { uri, headers } = resolved;
    assert.equal(uri.scheme, 'unix');
    assert.ok(existsSync(uri.path));
    const answer = await initialize(uri, headers);
    assert.match(answer, /"orchestration-workbench"/);
    await internals.mcp.close();
    assert.ok(!existsSync(uri.path), 'the socket is still there');
  });

  test('VS Code starts the server by itself and calls its tools', async () => {
    const tool = await startedTool('list_sessions');
    const listed = await invoke(tool.name, {});
    assert.ok(Array.isArray(listed['sessions']));
  });

  /** What the button "Start Server" does, for all of them; an editor that has only just begun knows none yet. */
  async function startedTool(name: string): Promise<vscode.LanguageModelToolInformation> {
    for (const deadline = Date.now() + 20_000; Date.now() < deadline; ) {
      await vscode.commands.executeCommand('workbench.mcp.startServer', '*', { waitForLiveTools: true });
      const found = vscode.lm.tools.find((tool) => tool.name.startsWith('mcp_') && tool.name.endsWith(name));
      if (found !== undefined) return found;
      await delay(100);
    }
    throw new Error(`There is no MCP tool of ours among ${vscode.lm.tools.map((tool) => tool.name).join()}.`);
  }

  async function invoke(name: string, input: Input): Promise<Input> {
    const { content } = await vscode.lm.invokeTool(name, { input, toolInvocationToken: undefined });
    const text = content
      .map((part) => (part instanceof vscode.LanguageModelTextPart ? part.value : ''))
      .join('');
    return JSON.parse(text) as Input;
  }
});

function initialize(uri: vscode.Uri, headers: Record<string, string>): Promise<string> {
  const params = {
    protocolVersion: '2025-06-18',
    capabilities: {},
    clientInfo: { name: 'test', version: '1' },
  };
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        socketPath: uri.path,
        path: uri.fragment,
        method: 'POST',
        headers: {
          ...headers,
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
        },
      },
      (answer) => {
        let text = '';
        answer.on('data', (data: Buffer) => (text += data.toString()));
        answer.on('end', () => resolve(text));
      },
    );
    asked.on('error', reject);
    asked.end(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params }));
  });
}
