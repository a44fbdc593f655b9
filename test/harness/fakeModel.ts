// A model on loopback that says what a test tells it to: the Messages API of Anthropic, the Responses API of OpenAI and
// the Gemini API, streamed, as far as coding agents use them.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the model does when it is asked the next time. */
export interface ModelTurn {
  readonly thinking?: string | undefined;
  /** Piece by piece. */
  readonly text?: readonly string[] | undefined;
  readonly tool?: { readonly name: string; readonly input: unknown } | undefined;
  /** Instead of an answer. */
  readonly error?: { readonly status: number; readonly type: string; readonly message: string } | undefined;
}

export interface FakeModel extends AsyncDisposable {
  readonly url: string;
  /** The bodies of what it was asked, the oldest first. */
  readonly requests: readonly Record<string, unknown>[];
  /** The next turns; where there is none left it says `done`. */
  say(...turns: readonly ModelTurn[]): void;
}

export async function startFakeModel(): Promise<FakeModel> {
  const requests: Record<string, unknown>[] = [];
  const turns: ModelTurn[] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = (request.url ?? '').replace(/\?.*$/, '');
    const body = await bodyOf(request);
    const write = path.endsWith('/messages')
      ? writeMessage
      : path.endsWith('/responses')
        ? writeResponse
        : path.endsWith(':streamGenerateContent')
          ? writeContent
          : undefined;
    if (request.method !== 'POST' || write === undefined) {
      response.writeHead(404).end();
      return;
    }
    requests.push(body);
    // Agents ask for titles and the like beside the work; such requests offer no tools.
    const isWork = Array.isArray(body['tools']) && body['tools'].length > 0;
    const turn = (isWork ? turns.shift() : undefined) ?? { text: ['done'] };
    if (turn.error !== undefined) {
      const { status, type, message } = turn.error;
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ type: 'error', error: { type, message } }));
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    write(response, turn, requests.length);
    response.end();
  };
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    say: (...more) => void turns.push(...more),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
}

function writeMessage(response: ServerResponse, turn: ModelTurn, number: number): void {
  const send = (type: string, data: object): void => {
    response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`);
  };
  const usage = { input_tokens: 100, output_tokens: 1 };
  const message = { id: `msg_${number}`, type: 'message', role: 'assistant', model: 'fake', content: [] };
  send('message_start', { message: { ...message, stop_reason: null, stop_sequence: null, usage } });
  let index = 0;
  const block = (start: object, deltas: readonly object[]): void => {
    send('content_block_start', { index, content_block: start });
    for (const delta of deltas) send('content_block_delta', { index, delta });
    send('content_block_stop', { index });
    index += 1;
  };
  if (turn.thinking !== undefined) {
    block({ type: 'thinking', thinking: '', signature: '' }, [
      { type: 'thinking_delta', thinking: turn.thinking },
      { type: 'signature_delta', signature: 'c2lnbmVk' },
    ]);
  }
  if (turn.text !== undefined) {
    const deltas = turn.text.map((text) => ({ type: 'text_delta', text }));
    block({ type: 'text', text: '' }, deltas);
  }
  if (turn.tool !== undefined) {
    const { name, input } = turn.tool;
    block({ type: 'tool_use', id: `toolu_${number}`, name, input: {} }, [
      { type: 'input_json_delta', partial_json: JSON.stringify(input) },
    ]);
  }
  const stop_reason = turn.tool === undefined ? 'end_turn' : 'tool_use';
  send('message_delta', { delta: { stop_reason, stop_sequence: null }, usage: { output_tokens: 20 } });
  send('message_stop', {});
}

function writeResponse(response: ServerResponse, turn: ModelTurn, number: number): void {
  const send = (type: string, data: object): void => {
    response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`);
  };
  const id = `resp_${number}`;
  const usage = {
    input_tokens: 100,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 20,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 120,
  };
  send('response.created', { response: { id, object: 'response', status: 'in_progress', output: [] } });
  const output: object[] = [];
  const add = (item: object): void => {
    send('response.output_item.added', { output_index: output.length, item });
    send('response.output_item.done', { output_index: output.length, item });
    output.push(item);
  };
  if (turn.text !== undefined) {
    const content = [{ type: 'output_text', text: turn.text.join(''), annotations: [] }];
    add({ type: 'message', id: `msg_${number}`, role: 'assistant', status: 'completed', content });
  }
  if (turn.tool !== undefined) {
    const { name, input } = turn.tool;
    const call = { id: `fc_${number}`, call_id: `call_${number}`, name, arguments: JSON.stringify(input) };
    add({ type: 'function_call', status: 'completed', ...call });
  }
  send('response.completed', { response: { id, object: 'response', status: 'completed', output, usage } });
}

function writeContent(response: ServerResponse, turn: ModelTurn): void {
  const send = (parts: readonly object[], more: object = {}): void => {
    const candidate = { content: { role: 'model', parts }, index: 0, ...more };
    const usageMetadata = { promptTokenCount: 100, candidatesTokenCount: 20, totalTokenCount: 120 };
    response.write(`data: ${JSON.stringify({ candidates: [candidate], usageMetadata })}\n\n`);
  };
  for (const text of turn.text ?? []) send([{ text }]);
  const call = turn.tool && { functionCall: { name: turn.tool.name, args: turn.tool.input } };
  send(call === undefined ? [] : [call], { finishReason: 'STOP' });
}
