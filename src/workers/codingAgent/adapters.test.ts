// Recorded from the real programs, against a model that said what it was told to.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CodingAgent, CodingAgentSpec } from '../../core/runs/codingAgents.ts';
import { adapters } from './adapters.ts';
import type { AgentEvent, Json } from './agentAdapter.ts';
import { failureReason } from './agentFailure.ts';

const recordings = join(import.meta.dirname, '../../../test/integration/fixtures/agents');

function specOf(agent: CodingAgent, more: Partial<CodingAgentSpec> = {}): CodingAgentSpec {
  return {
    runId: '1',
    task: 'list files',
    agent,
    program: '/usr/bin/agent',
    cwd: '/srv/project',
    permissions: 'default',
    model: null,
    conversation: null,
    usedBefore: { inputTokens: 0, outputTokens: 0 },
    timeoutMs: null,
    platform: 'linux',
    ...more,
  };
}

function read(agent: CodingAgent, recording: string, more: Partial<CodingAgentSpec> = {}): AgentEvent[] {
  const reader = adapters[agent].newReader(specOf(agent, more));
  const lines = readFileSync(join(recordings, `${recording}.jsonl`), 'utf8')
    .trim()
    .split('\n');
  const events = lines.flatMap((line) => [...reader.read(JSON.parse(line) as Json)]);
  return events.some(({ kind }) => kind === 'end') ? events : [...events, ...(reader.exited?.() ?? [])];
}

const usage = { kind: 'usage', inputTokens: 100, outputTokens: 20, costUsd: null };

describe('what an agent prints, as events', () => {
  it('claude-code', () => {
    const content = 'File created successfully at: /srv/project/hello.txt';
    expect(read('claude-code', 'claude-tool')).toEqual([
      { kind: 'conversation', id: '43b4773a-83e4-45be-9985-b44077359e36', model: expect.any(String) },
      { kind: 'thinking', text: 'let me see' },
      { kind: 'text', text: 'I ' },
      { kind: 'text', text: 'look.' },
      {
        kind: 'tool.started',
        callId: 'toolu_1',
        server: undefined,
        tool: 'Write',
        input: { file_path: '/srv/project/hello.txt', content: 'hi' },
      },
      usage,
      {
        kind: 'tool.ended',
        callId: 'toolu_1',
        hasFailed: false,
        response: expect.stringContaining(content),
      },
      expect.objectContaining({ kind: 'tool.started', callId: 'toolu_2', tool: 'Bash' }),
      {
        kind: 'tool.ended',
        callId: 'toolu_2',
        hasFailed: true,
        response: expect.stringContaining('requires approval'),
      },
      usage,
      { kind: 'text', text: '\n\nAll ' },
      { kind: 'text', text: 'done.' },
      usage,
      { kind: 'usage', inputTokens: 0, outputTokens: 0, costUsd: 0.003 },
      { kind: 'end', text: 'All done.', info: { turns: 3, denied: ['Bash'] } },
    ]);
  });

  it.each([
    ['claude-rate', 'rate_limited', 'API Error: Request rejected (429) · slow down'],
    ['claude-nologin', 'not_logged_in', 'Not logged in · Please run /login'],
    ['claude-lost', 'agent_failed', expect.stringMatching(/^No conversation found/)],
  ])('%s: why it failed', (recording, reason, message) => {
    expect(read('claude-code', recording).at(-1)).toMatchObject({
      kind: 'end',
      failure: { reason, message },
    });
  });

  it('claude-code: a whole message where no pieces came, sub-agents and MCP servers', () => {
    const reader = adapters['claude-code'].newReader(specOf('claude-code'));
    const say = (content: object[], parent: string | null = null): AgentEvent[] => [
      ...reader.read({ type: 'assistant', parent_tool_use_id: parent, message: { id: 'm', content } }),
    ];
    expect(say([{ type: 'text', text: 'whole' }])).toEqual([{ kind: 'text', text: 'whole' }]);
    expect(say([{ type: 'text', text: 'not for us' }], 'toolu_0')).toEqual([]);
    expect(say([{ type: 'tool_use', id: 't', name: 'mcp__github__get_issue', input: { n: 1 } }])).toEqual([
      { kind: 'tool.started', callId: 't', server: 'github', tool: 'get_issue', input: { n: 1 } },
    ]);
    expect(
      reader.read({ type: 'result', subtype: 'success', stop_reason: 'refusal', result: '' }),
    ).toMatchObject([{ failure: { reason: 'refused' } }]);
  });

  it('codex', () => {
    expect(read('codex', 'codex')).toEqual([
      { kind: 'conversation', id: '01a1fe8a-686e-7631-9aae-156ee9b861f4', model: null },
      { kind: 'text', text: 'I look.' },
      { kind: 'tool.started', callId: 'item_2', tool: 'shell', input: { command: '/bin/bash -lc ls' } },
      // Told again at its end, for those that have no beginning.
      { kind: 'tool.started', callId: 'item_2', tool: 'shell', input: { command: '/bin/bash -lc ls' } },
      { kind: 'tool.ended', callId: 'item_2', hasFailed: false, response: { exit_code: 0, output: '' } },
      { kind: 'text', text: '\n\nAll done.' },
      { kind: 'usage', inputTokens: 200, outputTokens: 40, costUsd: null },
      { kind: 'end', text: 'All done.' },
    ]);
    // It counts over the whole conversation, which began with the recording above.
    const usedBefore = { inputTokens: 200, outputTokens: 40 };
    expect(read('codex', 'codex-resume', { usedBefore })).toContainEqual(usage);
    expect(read('codex', 'codex-rate').at(-1)).toMatchObject({ failure: { reason: 'rate_limited' } });
  });

  it('gemini', () => {
    const callId = expect.stringMatching(/^list_directory/);
    expect(read('gemini', 'gemini')).toEqual([
      { kind: 'conversation', id: '9ecc6cf8-eaa0-4d89-bafc-207ecf4c19e3', model: 'auto' },
      { kind: 'text', text: 'I ' },
      { kind: 'text', text: 'look.' },
      { kind: 'tool.started', callId, tool: 'list_directory', input: { dir_path: '/srv/project' } },
      { kind: 'tool.ended', callId, hasFailed: false, response: 'Directory is empty.' },
      { kind: 'text', text: 'All done.' },
      { kind: 'usage', inputTokens: 200, outputTokens: 40, costUsd: null },
      { kind: 'end' },
    ]);
  });

  it('opencode', () => {
    expect(read('opencode', 'opencode')).toEqual([
      { kind: 'conversation', id: 'ses_e017576d3ffepv0I67RjiAEzjl', model: null },
      { kind: 'text', text: 'I look.' },
      { kind: 'tool.started', callId: 'toolu_2', tool: 'glob', input: { pattern: '*' } },
      { kind: 'tool.ended', callId: 'toolu_2', hasFailed: true, response: 'ripgrep execution failed' },
      { ...usage, costUsd: 0.0006 },
      { kind: 'text', text: '\n\nAll done.' },
      { ...usage, costUsd: 0.0006 },
      { kind: 'end', text: 'All done.' },
    ]);
  });

  it.each(Object.keys(adapters) as CodingAgent[])('%s: what makes no sense says nothing', (agent) => {
    const reader = adapters[agent].newReader(specOf(agent));
    const types = [
      'system',
      'stream_event',
      'assistant',
      'user',
      'item.started',
      'item.completed',
      'message',
    ];
    for (const type of [...types, 'tool_use', 'tool_result', 'text', 'init', 'thread.started', 'nonsense']) {
      for (const body of [null, 7, 'x', [], {}, { content: 7 }, { content: [null, 7] }]) {
        const message = { type, subtype: 'init', message: body, event: body, item: body, part: body };
        expect(() => reader.read(message)).not.toThrow();
      }
    }
  });
});

describe('the command line of an agent', () => {
  it.each(Object.keys(adapters) as CodingAgent[])(
    '%s: no task, and no bypass unless it is allowed',
    (agent) => {
      const { arguments: argumentsOf, environment } = adapters[agent];
      for (const permissions of ['default', 'plan', 'acceptEdits'] as const) {
        const spec = specOf(agent, { permissions, task: 'my secret task', model: 'm', conversation: 'c' });
        const line = [...argumentsOf(spec), ...Object.values(environment?.(spec) ?? {})].join(' ');
        expect(line).not.toMatch(/secret|bypass|dangerous|yolo|--auto\b/i);
        expect(line).toMatch(/ m\b/);
        expect(line).toMatch(/(--resume|--session|resume) c\b/);
      }
      const bypass = argumentsOf(specOf(agent, { permissions: 'bypassPermissions' })).join(' ');
      expect(bypass).toMatch(/bypass|yolo|--auto$/);
    },
  );
});

it.each([
  ['Please set an Auth method in your settings', 'not_logged_in'],
  ['unexpected status 401 Unauthorized', 'not_logged_in'],
  ['You have hit your usage limit', 'rate_limited'],
  ['exceeded retry limit, last status: 429 Too Many Requests', 'rate_limited'],
  ['the file is missing', 'agent_failed'],
])('%s: %s', (message, reason) => {
  expect(failureReason(message)).toBe(reason);
});
