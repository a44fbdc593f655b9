import type { AgentPermissions } from '../../core/runs/codingAgents.ts';
import {
  type AgentAdapter,
  type AgentEvent,
  type AgentReader,
  type Json,
  numberOf,
  recordOf,
  textOf,
} from './agentAdapter.ts';
import { failureReason } from './agentFailure.ts';

const approvals: Readonly<Record<AgentPermissions, string>> = {
  default: 'default',
  plan: 'plan',
  acceptEdits: 'auto_edit',
  bypassPermissions: 'yolo',
};

/** Gemini CLI: its stream of JSON; without a terminal it takes its standard input for the task. Looked at with 0.61. */
export const gemini: AgentAdapter = {
  arguments: ({ permissions, model, conversation }) => [
    '--output-format',
    'stream-json',
    '--approval-mode',
    approvals[permissions],
    ...(model === null ? [] : ['--model', model]),
    ...(conversation === null ? [] : ['--resume', conversation]),
  ],
  newReader: () => new GeminiReader(),
  lostConversation: /Invalid session identifier|No previous sessions found/i,
};

class GeminiReader implements AgentReader {
  private lastError: string | undefined;

  read(message: Json): readonly AgentEvent[] {
    switch (message['type']) {
      case 'init': {
        const id = textOf(message, 'session_id');
        return id === undefined
          ? []
          : [{ kind: 'conversation', id, model: textOf(message, 'model') ?? null }];
      }
      case 'message': {
        const text = textOf(message, 'content') ?? '';
        return message['role'] === 'assistant' && text !== '' ? [{ kind: 'text', text }] : [];
      }
      case 'tool_use': {
        const tool = textOf(message, 'tool_name') ?? 'tool';
        const input = message['parameters'];
        return [{ kind: 'tool.started', callId: textOf(message, 'tool_id') ?? '', tool, input }];
      }
      case 'tool_result': {
        const hasFailed = message['status'] === 'error';
        const response = textOf(recordOf(message, 'error'), 'message') ?? message['output'];
        return [{ kind: 'tool.ended', callId: textOf(message, 'tool_id') ?? '', hasFailed, response }];
      }
      case 'error':
        this.lastError = textOf(message, 'message') ?? this.lastError;
        return [];
      case 'result':
        return this.readResult(message);
      default:
        return [];
    }
  }

  private readResult(message: Json): readonly AgentEvent[] {
    const stats = recordOf(message, 'stats');
    const usage: AgentEvent = {
      kind: 'usage',
      inputTokens: numberOf(stats, 'input_tokens'),
      outputTokens: numberOf(stats, 'output_tokens'),
      costUsd: null,
    };
    if (message['status'] === 'success') return [usage, { kind: 'end' }];
    const words = textOf(recordOf(message, 'error'), 'message') ?? this.lastError ?? 'It did not say why.';
    return [usage, { kind: 'end', failure: { reason: failureReason(words), message: words } }];
  }
}
