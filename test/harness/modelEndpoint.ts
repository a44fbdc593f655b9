// Models on loopback that do what a test tells them, as OpenAI's chat completions and as Anthropic's messages, streamed:
// answers, and whatever can go wrong on the wire.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ScriptedCall {
  readonly id?: string;
  readonly name: string;
  /** As JSON, or, where it is a text, to the letter. */
  readonly input: unknown;
}

/** What the model does when it is asked the next time. */
export interface ScriptedAnswer {
  readonly thinking?: string;
  /** Piece by piece. */
  readonly text?: readonly string[];
  readonly calls?: readonly ScriptedCall[];
  readonly usage?: { readonly input: number; readonly output: number } | null;
  /** The wire's own word for the end; by what is in the answer when missing. */
  readonly finish?: string;
  /** Between two pieces of text, in milliseconds. */
  readonly paceMs?: number;
  readonly fault?: ScriptedFault;
}

export type ScriptedFault =
  /** Instead of an answer. */
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly message: string;
      readonly headers?: Record<string, string>;
      readonly code?: string;
    }
  /** After the text, within the stream. */
  | { readonly kind: 'error'; readonly message: string; readonly type?: string }
  /** After the text the connection is broken. */
  | { readonly kind: 'reset' }
  /** After the text nothing more comes, and nobody says so. */
  | { readonly kind: 'silence' }
  /** Not even an answer's head. */
  | { readonly kind: 'deaf' }
  /** After the text, to the letter. */
  | { readonly kind: 'raw'; readonly text: string }
  /** The same piece without end. */
  | { readonly kind: 'endless'; readonly text: string }
  | { readonly kind: 'redirect'; readonly to: string };

export interface ModelRequest {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Readonly<Record<string, unknown>>;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Resolves when the connection was closed, by whomever. */
  readonly closed: Promise<void>;
}

export interface ModelEndpoint extends AsyncDisposable {
  /** Without `/v1`. */
  readonly url: string;
  /** The oldest first. */
  readonly requests: readonly ModelRequest[];
  /** The next answers; where there is none left it says `done`. */
  say(...answers: readonly ScriptedAnswer[]): void;
  /** Answers from now on by what is asked, where nothing was said before. */
  answerBy(answer: (request: ModelRequest) => ScriptedAnswer): void;
}

export async function startModelEndpoint(): Promise<ModelEndpoint> {
  const requests: ModelRequest[] = [];
  const answers: ScriptedAnswer[] = [];
  let fallback = (_: ModelRequest): ScriptedAnswer => ({ text: ['done'] });
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = (request.url ?? '').replace(/\?.*$/, '');
    if (request.method === 'GET') {
      list(path, response);
      return;
    }
    const body = await bodyOf(request);
    const closed = new Promise<void>((resolve) => response.once('close', resolve));
    const asked: ModelRequest = { path, headers: request.headers, body, at: Date.now(), closed };
    requests.push(asked);
    const answer = answers.shift() ?? fallback(asked);
    if (path.endsWith('/messages')) await write(response, answer, anthropicWire(requests.length));
    else if (path.endsWith('/chat/completions')) await write(response, answer, openAiWire(requests.length));
    else response.writeHead(404).end('{}');
  };
  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    say: (...more) => void answers.push(...more),
    answerBy: (answer) => void (fallback = answer),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function list(path: string, response: ServerResponse): void {
  const answer =
    path === '/api/tags'
      ? { models: [{ name: 'llama:8b' }] }
      : { data: [{ id: 'model-a' }, { id: 'model-b' }], object: 'list' };
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
}

/** One interface's frames. */
interface Wire {
  begin(answer: ScriptedAnswer): string;
  thinking(text: string): string;
  text(text: string): string;
  call(call: ScriptedCall, index: number): string;
  error(message: string, type: string): string;
  end(answer: ScriptedAnswer): string;
}

const usageOf = ({ usage }: ScriptedAnswer): { input: number; output: number } | null =>
  usage === undefined ? { input: 100, output: 20 } : usage;
const written = ({ input }: ScriptedCall): string =>
  typeof input === 'string' ? input : JSON.stringify(input);

function openAiWire(number: number): Wire {
  const frame = (delta: object, more: object = {}): string => {
    const choice = { index: 0, delta, finish_reason: null, ...more };
    return `data: ${JSON.stringify({ id: `chat-${number}`, object: 'chat.completion.chunk', created: 1, model: 'fake', choices: [choice] })}\n\n`;
  };
  return {
    begin: () => frame({ role: 'assistant', content: '' }),
    thinking: (reasoning_content) => frame({ reasoning_content }),
    text: (content) => frame({ content }),
    call: (call, index) => {
      const { id = `call-${number}-${index}`, name } = call;
      const text = written(call);
      const half = Math.ceil(text.length / 2);
      const piece = (more: object): string => frame({ tool_calls: [{ index, ...more }] });
      return (
        piece({ id, type: 'function', function: { name, arguments: text.slice(0, half) } }) +
        piece({ function: { arguments: text.slice(half) } })
      );
    },
    error: (message, type) => `data: ${JSON.stringify({ error: { message, type } })}\n\n`,
    end: (answer) => {
      const reason = answer.finish ?? (answer.calls === undefined ? 'stop' : 'tool_calls');
      const usage = usageOf(answer);
      const last = frame({}, { finish_reason: reason });
      if (usage === null) return `${last}data: [DONE]\n\n`;
      const { input: prompt_tokens, output: completion_tokens } = usage;
      const total = { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
      return `${last}data: ${JSON.stringify({ id: 'u', object: 'chat.completion.chunk', created: 1, model: 'fake', choices: [], usage: total })}\n\ndata: [DONE]\n\n`;
    },
  };
}

function anthropicWire(number: number): Wire {
  const frame = (type: string, data: object): string =>
    `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`;
  let index = 0;
  const block = (start: object, deltas: readonly object[]): string => {
    const at = index;
    index += 1;
    return (
      frame('content_block_start', { index: at, content_block: start }) +
      deltas.map((delta) => frame('content_block_delta', { index: at, delta })).join('') +
      frame('content_block_stop', { index: at })
    );
  };
  return {
    begin: (answer) => {
      const usage = { input_tokens: usageOf(answer)?.input ?? 0, output_tokens: 1 };
      const message = { id: `msg_${number}`, type: 'message', role: 'assistant', model: 'fake', content: [] };
      const begun = { ...message, stop_reason: null, stop_sequence: null, usage };
      return frame('message_start', { message: begun }) + frame('ping', {});
    },
    thinking: (thinking) =>
      block({ type: 'thinking', thinking: '', signature: '' }, [
        { type: 'thinking_delta', thinking },
        { type: 'signature_delta', signature: 'c2lnbmVk' },
      ]),
    text: (text) => block({ type: 'text', text: '' }, [{ type: 'text_delta', text }]),
    call: (call, at) =>
      block({ type: 'tool_use', id: call.id ?? `toolu_${number}_${at}`, name: call.name, input: {} }, [
        { type: 'input_json_delta', partial_json: written(call) },
      ]),
    error: (message, type) => frame('error', { error: { type, message } }),
    end: (answer) => {
      const stop_reason = answer.finish ?? (answer.calls === undefined ? 'end_turn' : 'tool_use');
      const usage = { output_tokens: usageOf(answer)?.output ?? 0 };
      return (
        frame('message_delta', { delta: { stop_reason, stop_sequence: null }, usage }) +
        frame('message_stop', {})
      );
    },
  };
}

async function write(response: ServerResponse, answer: ScriptedAnswer, wire: Wire): Promise<void> {
  const { fault, thinking, text = [], calls = [], paceMs } = answer;
  if (fault?.kind === 'deaf') return;
  if (fault?.kind === 'redirect') {
    response.writeHead(307, { location: fault.to }).end();
    return;
  }
  if (fault?.kind === 'status') {
    const { status, message, headers = {}, code } = fault;
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify({ type: 'error', error: { message, type: code ?? 'error', code } }));
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write(wire.begin(answer));
  if (thinking !== undefined) response.write(wire.thinking(thinking));
  for (const piece of text) {
    response.write(wire.text(piece));
    if (paceMs !== undefined) await new Promise((resolve) => setTimeout(resolve, paceMs));
    if (response.destroyed) return;
  }
  for (const [index, call] of calls.entries()) response.write(wire.call(call, index));
  switch (fault?.kind) {
    case 'silence':
      return;
    case 'reset':
      // What was written is to arrive first.
      response.write('', () => response.socket?.resetAndDestroy());
      return;
    case 'error':
      response.end(wire.error(fault.message, fault.type ?? 'server_error'));
      return;
    case 'raw':
      response.end(fault.text);
      return;
    case 'endless':
      while (!response.destroyed) {
        if (!response.write(wire.text(fault.text))) {
          await new Promise<void>((resolve) => {
            response.once('drain', resolve);
            response.once('close', resolve);
          });
        } else {
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
      return;
    default:
      response.end(wire.end(answer));
  }
}
