import type { AgentPermissions } from '../../core/runs/codingAgents.ts';
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

/** What it asks for is refused where there is nobody to ask; by itself it would ask for nothing. */
const rules: Readonly<Record<AgentPermissions, Readonly<Record<string, string>> | undefined>> = {
  default: { edit: 'ask', bash: 'ask', webfetch: 'ask' },
  plan: { edit: 'deny', bash: 'deny', webfetch: 'ask' },
  acceptEdits: { edit: 'allow', bash: 'ask', webfetch: 'ask' },
  bypassPermissions: undefined,
};

/** opencode: `opencode run --format json`, the task on its standard input. Looked at with 1.18. */
export const opencode: AgentAdapter = {
  arguments: ({ permissions, model, conversation }) => [
    'run',
    '--format',
    'json',
    ...(permissions === 'bypassPermissions' ? ['--auto'] : []),
    ...(model === null ? [] : ['--model', model]),
    ...(conversation === null ? [] : ['--session', conversation]),
  ],
  environment: ({ permissions }) => {
    const found = rules[permissions];
    return found === undefined ? {} : { OPENCODE_PERMISSION: JSON.stringify(found) };
  },
  newReader: () => new OpencodeReader(),
  lostConversation: /Session not found/i,
};

/** Its stream has no end of its own: it exits, with 0 where all is well. */
class OpencodeReader implements AgentReader {
  private readonly texts = new Paragraphs();
  private readonly thoughts = new Paragraphs();
  private conversation: string | undefined;
  private isFinished = false;
  private lastText: string | undefined;

  read(message: Json): readonly AgentEvent[] {
    return [...this.readSession(message), ...this.readMessage(message)];
  }

  exited(): readonly AgentEvent[] {
    return this.isFinished ? [{ kind: 'end', text: this.lastText }] : [];
  }

  private readSession(message: Json): readonly AgentEvent[] {
    const id = textOf(message, 'sessionID');
    if (id === undefined || id === this.conversation) return [];
    this.conversation = id;
    return [{ kind: 'conversation', id, model: null }];
  }

  private readMessage(message: Json): readonly AgentEvent[] {
    const part = recordOf(message, 'part');
    const text = textOf(part, 'text') ?? '';
    switch (message['type']) {
      case 'text':
        this.lastText = text;
        this.texts.begin();
        return text === '' ? [] : [{ kind: 'text', text: this.texts.next(text) }];
      case 'reasoning':
        this.thoughts.begin();
        return text === '' ? [] : [{ kind: 'thinking', text: this.thoughts.next(text) }];
      case 'tool_use':
        return toolUse(part);
      case 'step_finish':
        this.isFinished = part['reason'] !== 'tool-calls';
        return [usageOf(part)];
      case 'error': {
        const error = recordOf(message, 'error');
        const words =
          textOf(recordOf(error, 'data'), 'message') ?? textOf(error, 'name') ?? 'It did not say why.';
        return [{ kind: 'end', failure: { reason: failureReason(words), message: words } }];
      }
      default:
        return [];
    }
  }
}

/** A tool is told once it has ended. */
function toolUse(part: Json): readonly AgentEvent[] {
  const callId = textOf(part, 'callID') ?? '';
  const state = recordOf(part, 'state');
  const hasFailed = state['status'] === 'error';
  return [
    { kind: 'tool.started', callId, tool: textOf(part, 'tool') ?? 'tool', input: state['input'] },
    { kind: 'tool.ended', callId, hasFailed, response: hasFailed ? state['error'] : state['output'] },
  ];
}

function usageOf(part: Json): AgentEvent {
  const tokens = recordOf(part, 'tokens');
  const cache = recordOf(tokens, 'cache');
  return {
    kind: 'usage',
    inputTokens: numberOf(tokens, 'input') + numberOf(cache, 'read') + numberOf(cache, 'write'),
    outputTokens: numberOf(tokens, 'output') + numberOf(tokens, 'reasoning'),
    costUsd: numberOf(part, 'cost'),
  };
}
