// A client of `/orchestrate` on a real daemon.
import { FrameParser, type StreamFrame } from '../../src/clients/runStream/frameParser.ts';
import type { TestDaemon } from '../harness/daemon.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly json: Record<string, unknown>;
}

export class OrchestrateClient {
  private readonly daemon: Pick<TestDaemon, 'httpUrl' | 'token'>;

  constructor(daemon: Pick<TestDaemon, 'httpUrl' | 'token'>) {
    this.daemon = daemon;
  }

  /** As a page does it that was given a token. */
  readonly fetch: typeof globalThis.fetch = (input, init = {}) => {
    const headers = new Headers(init.headers);
    if (!headers.has('authorization')) headers.set('authorization', `Bearer ${this.daemon.token}`);
    return fetch(input, { ...init, headers });
  };

  send(method: string, path: string, body?: unknown, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    if (body !== undefined && !headers.has('content-type')) headers.set('content-type', 'application/json');
    return this.fetch(`${this.daemon.httpUrl}${path}`, {
      ...init,
      method,
      headers,
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  }

  async ask(method: string, path: string, body?: unknown, init: RequestInit = {}): Promise<Answer> {
    const response = await this.send(method, path, body, init);
    const text = await response.text();
    const json = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
    return { status: response.status, headers: response.headers, json };
  }

  /** Starts a run and reads its stream to the end. */
  async stream(body: unknown): Promise<StreamFrame[]> {
    const frames: StreamFrame[] = [];
    for await (const frame of framesOf(await this.send('POST', '/orchestrate/stream', body)))
      frames.push(frame);
    return frames;
  }

  /** The events of a run behind one of them, up to where the stream ends. */
  async events(runId: string, lastEventId?: string): Promise<StreamFrame[]> {
    const headers = lastEventId === undefined ? {} : { 'last-event-id': lastEventId };
    const response = await this.send('GET', `/orchestrate/runs/${runId}/events`, undefined, { headers });
    const frames: StreamFrame[] = [];
    for await (const frame of framesOf(response)) frames.push(frame);
    return frames;
  }
}

export async function* framesOf(response: Response): AsyncGenerator<StreamFrame, void, undefined> {
  if (!response.ok) throw new Error(`It was answered ${response.status}: ${await response.text()}`);
  if (response.body === null) return;
  const parser = new FrameParser();
  for await (const bytes of response.body) yield* parser.push(bytes);
  yield* parser.end();
}

/** Up to the first one of this name. */
export async function framesUntil(
  frames: AsyncIterator<StreamFrame>,
  isIt: (frame: StreamFrame) => boolean,
): Promise<StreamFrame[]> {
  const seen: StreamFrame[] = [];
  for (let next = await frames.next(); next.done !== true; next = await frames.next()) {
    seen.push(next.value);
    if (isIt(next.value)) return seen;
  }
  throw new Error(`The stream ended before: ${seen.map(({ event }) => event).join(', ')}`);
}

export const namesOf = (frames: readonly StreamFrame[]): string[] => frames.map(({ event }) => event);

export const runIdOf = (frames: readonly StreamFrame[]): string =>
  String(dataOf(frames, 'response.created')['run_id']);

export function dataOf(frames: readonly StreamFrame[], name: string): Record<string, unknown> {
  const found = frames.find(({ event }) => event === name);
  if (found === undefined) throw new Error(`There is no ${name} among ${namesOf(frames).join(', ')}`);
  return found.data as Record<string, unknown>;
}

/** What the steps have printed, as the stream tells it. */
export const printedText = (frames: readonly StreamFrame[]): string =>
  frames
    .filter(({ event }) => /^runner\.(step|task|container)\.output$/.test(event))
    .map(({ data }) => (data as { text: string }).text)
    .join('');

/** Without what the server says of itself. */
export const withoutNotices = (frames: readonly StreamFrame[]): StreamFrame[] =>
  frames.filter(({ event }) => !event.startsWith('server.'));
