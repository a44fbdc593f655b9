import type { AgentPermissions, CodingAgentSpec } from '../../core/runs/codingAgents.ts';
import {
  type AgentAdapter,
  type AgentEvent,
  type AgentReader,
  type Json,
  numberOf,
  Paragraphs,
  recordOf,
  textOf,
} from './agentAdapter.ts';
import { failureReason } from './agentFailure.ts';

/** What it may do in its sandbox: without anybody to ask, it asks for nothing. */
const sandboxes: Readonly<Record<AgentPermissions, readonly string[]>> = {
  default: ['--sandbox', 'read-only'],
  plan: ['--sandbox', 'read-only'],
  acceptEdits: ['--sandbox', 'workspace-write'],
  bypassPermissions: ['--dangerously-bypass-approvals-and-sandbox'],
};

/** Codex: `codex exec --json`, the task on its standard input. Looked at with 0.169. */
export const codex: AgentAdapter = {
  arguments: ({ permissions, model, conversation }) => [
    'exec',
    '--json',
    '--skip-git-repo-check',
    ...sandboxes[permissions],
    ...(model === null ? [] : ['--model', model]),
    ...(conversation === null ? [] : ['resume', conversation]),
    '-',
  ],
  newReader: (spec) => new CodexReader(spec),
  lostConversation: /no rollout found|no (?:saved )?session found/i,
};

class CodexReader implements AgentReader {
  private readonly texts = new Paragraphs();
  private readonly thoughts = new Paragraphs();
  private readonly usedBefore: CodingAgentSpec['usedBefore'];
  private lastText: string | undefined;

  constructor({ usedBefore }: CodingAgentSpec) {
    this.usedBefore = usedBefore;
  }

  read(message: Json): readonly AgentEvent[] {
    switch (message['type']) {
      case 'thread.started': {
        const id = textOf(message, 'thread_id');
        return id === undefined ? [] : [{ kind: 'conversation', id, model: null }];
      }
      case 'item.started':
        return callOf(recordOf(message, 'item'));
      case 'item.completed':
        return this.readItem(recordOf(message, 'item'));
      case 'turn.completed':
        return [...this.usage(recordOf(message, 'usage')), { kind: 'end', text: this.lastText }];
      case 'turn.failed': {
        const words = textOf(recordOf(message, 'error'), 'message') ?? 'It did not say why.';
        return [{ kind: 'end', failure: { reason: failureReason(words), message: words } }];
      }
      default:
        return [];
    }
  }

  private readItem(item: Json): readonly AgentEvent[] {
    const text = textOf(item, 'text') ?? '';
    switch (item['type']) {
      case 'agent_message':
        this.lastText = text;
        this.texts.begin();
        return text === '' ? [] : [{ kind: 'text', text: this.texts.next(text) }];
      case 'reasoning':
        this.thoughts.begin();
        return text === '' ? [] : [{ kind: 'thinking', text: this.thoughts.next(text) }];
      default: {
        // Short ones are told once only, at their end.
        const call = callOf(item);
        return call.length === 0 ? [] : [...call, resultOf(item)];
      }
    }
  }

  /** It counts over its whole conversation. */
  private usage(usage: Json): readonly AgentEvent[] {
    const inputTokens = Math.max(0, numberOf(usage, 'input_tokens') - this.usedBefore.inputTokens);
    const outputTokens = Math.max(0, numberOf(usage, 'output_tokens') - this.usedBefore.outputTokens);
    return [{ kind: 'usage', inputTokens, outputTokens, costUsd: null }];
  }
}

function callOf(item: Json): readonly AgentEvent[] {
  const callId = textOf(item, 'id') ?? '';
  const call = (tool: string, input: unknown, server?: string): readonly AgentEvent[] => [
    { kind: 'tool.started', callId, server, tool, input },
  ];
  switch (item['type']) {
    case 'command_execution':
      return call('shell', { command: item['command'] });
    case 'file_change':
      return call('apply_patch', { changes: item['changes'] });
    case 'web_search':
      return call('web_search', { query: item['query'] });
    case 'mcp_tool_call':
      return call(textOf(item, 'tool') ?? 'tool', item['arguments'], textOf(item, 'server'));
    default:
      return [];
  }
}

function resultOf(item: Json): AgentEvent {
  const { exit_code, aggregated_output, result, error, changes, status } = item;
  const response =
    item['type'] === 'command_execution'
      ? { exit_code, output: aggregated_output }
      : (error ?? result ?? changes ?? null);
  return {
    kind: 'tool.ended',
    callId: textOf(item, 'id') ?? '',
    hasFailed: status === 'failed' || status === 'declined',
    response,
  };
}
