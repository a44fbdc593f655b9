import {
  type AgentAdapter,
  type AgentEvent,
  type AgentReader,
  type Json,
  numberOf,
  Paragraphs,
  recordOf,
  recordsOf,
  textOf,
} from './agentAdapter.ts';
import { failureReason } from './agentFailure.ts';

/** Claude Code: `claude -p`, its stream of JSON with partial messages. Looked at with 2.1. */
export const claudeCode: AgentAdapter = {
  arguments: ({ permissions, model, conversation }) => [
    '-p',
    '--output-format',
    'stream-json',
    '--verbose',
    '--include-partial-messages',
    '--permission-mode',
    permissions,
    ...(model === null ? [] : ['--model', model]),
    ...(conversation === null ? [] : ['--resume', conversation]),
  ],
  newReader: () => new ClaudeReader(),
  lostConversation: /No conversation found with session ID/i,
};

class ClaudeReader implements AgentReader {
  private readonly texts = new Paragraphs();
  private readonly thoughts = new Paragraphs();
  /** Messages whose pieces came one by one: they are not told again as a whole. */
  private readonly streamed = new Set<string>();
  /** Input tokens of the message that is under way. */
  private inputTokens = 0;
  private readonly told = { input: 0, output: 0 };

  read(message: Json): readonly AgentEvent[] {
    switch (message['type']) {
      case 'system':
        return message['subtype'] === 'init' ? conversation(message) : [];
      case 'stream_event':
        // What a sub-agent says is for the agent that has called it.
        return isOfSubAgent(message) ? [] : this.readPiece(recordOf(message, 'event'));
      case 'assistant':
        return this.readAssistant(message);
      case 'user':
        return recordsOf(recordOf(message, 'message'), 'content').flatMap(toolResult);
      case 'result':
        return this.readResult(message);
      default:
        return [];
    }
  }

  private readPiece(event: Json): readonly AgentEvent[] {
    switch (event['type']) {
      case 'message_start': {
        const message = recordOf(event, 'message');
        this.streamed.add(textOf(message, 'id') ?? '');
        this.inputTokens = inputTokensOf(recordOf(message, 'usage'));
        return [];
      }
      case 'content_block_start': {
        const { type } = recordOf(event, 'content_block');
        if (type === 'text') this.texts.begin();
        if (type === 'thinking') this.thoughts.begin();
        return [];
      }
      case 'content_block_delta': {
        const delta = recordOf(event, 'delta');
        if (delta['type'] === 'text_delta') return this.text(textOf(delta, 'text'));
        return delta['type'] === 'thinking_delta' ? this.thought(textOf(delta, 'thinking')) : [];
      }
      case 'message_delta': {
        const usage = {
          input: this.inputTokens,
          output: numberOf(recordOf(event, 'usage'), 'output_tokens'),
        };
        this.inputTokens = 0;
        return this.usage(usage.input, usage.output, null);
      }
      default:
        return [];
    }
  }

  private readAssistant(message: Json): readonly AgentEvent[] {
    const body = recordOf(message, 'message');
    const isKnown = isOfSubAgent(message) || this.streamed.has(textOf(body, 'id') ?? '');
    return recordsOf(body, 'content').flatMap((block): readonly AgentEvent[] => {
      if (block['type'] === 'tool_use') return [toolUse(block)];
      if (isKnown) return [];
      if (block['type'] === 'text') {
        this.texts.begin();
        return this.text(textOf(block, 'text'));
      }
      if (block['type'] !== 'thinking') return [];
      this.thoughts.begin();
      return this.thought(textOf(block, 'thinking'));
    });
  }

  private readResult(message: Json): readonly AgentEvent[] {
    const usage = recordOf(message, 'usage');
    const cost = message['total_cost_usd'];
    const [input, output] = [inputTokensOf(usage), numberOf(usage, 'output_tokens')];
    const last = this.usage(
      Math.max(0, input - this.told.input),
      Math.max(0, output - this.told.output),
      typeof cost === 'number' ? cost : null,
    );
    const text = textOf(message, 'result');
    const denied = recordsOf(message, 'permission_denials').map((denial) => textOf(denial, 'tool_name'));
    const info = { turns: numberOf(message, 'num_turns'), ...(denied.length === 0 ? {} : { denied }) };
    const isRefused = message['stop_reason'] === 'refusal';
    if (message['is_error'] !== true && message['subtype'] === 'success' && !isRefused) {
      return [...last, { kind: 'end', text, info }];
    }
    const { errors, subtype, api_error_status: status } = message;
    const said = text ?? (Array.isArray(errors) ? errors.join('\n') : undefined);
    const words = said === undefined || said === '' ? `It ended with ${String(subtype)}.` : said;
    const reason = isRefused ? 'refused' : failureReason(words, status);
    return [...last, { kind: 'end', text, info, failure: { reason, message: words } }];
  }

  private text(text = ''): readonly AgentEvent[] {
    return text === '' ? [] : [{ kind: 'text', text: this.texts.next(text) }];
  }

  private thought(text = ''): readonly AgentEvent[] {
    return text === '' ? [] : [{ kind: 'thinking', text: this.thoughts.next(text) }];
  }

  private usage(inputTokens: number, outputTokens: number, costUsd: number | null): readonly AgentEvent[] {
    if (inputTokens === 0 && outputTokens === 0 && costUsd === null) return [];
    this.told.input += inputTokens;
    this.told.output += outputTokens;
    return [{ kind: 'usage', inputTokens, outputTokens, costUsd }];
  }
}

function conversation(message: Json): readonly AgentEvent[] {
  const id = textOf(message, 'session_id');
  return id === undefined ? [] : [{ kind: 'conversation', id, model: textOf(message, 'model') ?? null }];
}

function isOfSubAgent(message: Json): boolean {
  return textOf(message, 'parent_tool_use_id') !== undefined;
}

/** `mcp__server__tool` is a tool of an MCP server. */
function toolUse(block: Json): AgentEvent {
  const name = textOf(block, 'name') ?? 'tool';
  const [, server, tool = name] = /^mcp__(.+?)__(.+)$/.exec(name) ?? [];
  return { kind: 'tool.started', callId: textOf(block, 'id') ?? '', server, tool, input: block['input'] };
}

function toolResult(block: Json): readonly AgentEvent[] {
  const callId = textOf(block, 'tool_use_id');
  if (block['type'] !== 'tool_result' || callId === undefined) return [];
  const { content } = block;
  return [{ kind: 'tool.ended', callId, hasFailed: block['is_error'] === true, response: content }];
}

/** Tokens that came from a cache, or went into one, are input as well. */
function inputTokensOf(usage: Json): number {
  return (
    numberOf(usage, 'input_tokens') +
    numberOf(usage, 'cache_creation_input_tokens') +
    numberOf(usage, 'cache_read_input_tokens')
  );
}
