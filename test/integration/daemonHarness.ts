import type { BrowserContext } from 'playwright-core';
import { nullLogger } from '../../src/base/logger.ts';
import type { OrchestratorLimits } from '../../src/core/orchestrator.ts';
import type { Scope } from '../../src/protocol/daemon/handshake.ts';
import { daemonRequest } from '../../src/protocol/daemon/requests.ts';
import type { ClientHandler, ClientLink, FrameBatch } from '../../src/servers/daemon/clientLink.ts';
import { createDaemonLogic, type DaemonLogic } from '../../src/servers/daemon/daemonLogic.ts';
import type { HostFixture } from './processHostHarness.ts';
import { type RealCore, startRealCore } from './realCore.ts';

/** A frame as a client reads it. */
export type Frame = Readonly<Record<string, unknown>> & { readonly type: string };

/** One client of the daemon, whatever carries its messages. */
export interface DaemonConnection {
  /** Everything that came, in order. */
  readonly frames: readonly Frame[];
  send(message: unknown): void;
  /** The first frame from here on that matches; those before it are taken for seen. */
  next(matches: string | ((frame: Frame) => boolean)): Promise<Frame>;
  close(): void;
}

const waitLimitMs = 20_000;

export class FrameQueue {
  readonly frames: Frame[] = [];
  private seen = 0;
  private wake: () => void = () => undefined;

  push(...frames: Frame[]): void {
    this.frames.push(...frames);
    this.wake();
  }

  async next(matches: string | ((frame: Frame) => boolean)): Promise<Frame> {
    const isIt = typeof matches === 'string' ? (frame: Frame) => frame.type === matches : matches;
    const deadline = Date.now() + waitLimitMs;
    for (;;) {
      for (; this.seen < this.frames.length; this.seen += 1) {
        const frame = this.frames[this.seen];
        if (frame === undefined || !isIt(frame)) continue;
        this.seen += 1;
        return frame;
      }
      const rest = deadline - Date.now();
      const last = this.frames.slice(-5).map((frame) => JSON.stringify(frame).slice(0, 300));
      if (rest <= 0) throw new Error(`No ${String(matches)} came; the last frames: ${last.join('\n')}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, rest);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}

/** A client in the daemon's own process: what a socket would carry, without one. */
export class LocalClient implements DaemonConnection, ClientLink {
  readonly caller: ClientLink['caller'];
  /** As they were given. */
  readonly batches: FrameBatch[] = [];
  /** Answers false to the next delivery, and so on until `drain`. */
  isFull = false;
  closed: { readonly code: number; readonly reason: string } | undefined;
  private readonly queue = new FrameQueue();
  private readonly handler: ClientHandler;

  constructor(
    logic: Pick<DaemonLogic, 'accept'>,
    scopes: readonly Scope[] = ['read', 'drive', 'admin'],
    name = 'token',
  ) {
    this.caller = { name, scopes: new Set(scopes) };
    this.handler = logic.accept(this);
  }

  get frames(): readonly Frame[] {
    return this.queue.frames;
  }

  /** Those of the stream. */
  get stream(): readonly Frame[] {
    return this.frames.filter((frame) => 'part' in frame && frame.type !== 'resumed');
  }

  send(message: unknown): void {
    this.handler.handle(daemonRequest.parse(message));
  }

  next(matches: string | ((frame: Frame) => boolean)): Promise<Frame> {
    return this.queue.next(matches);
  }

  answer(frame: Parameters<ClientLink['answer']>[0]): void {
    this.queue.push({ ...frame });
  }

  deliver(batch: FrameBatch): boolean {
    this.batches.push(batch);
    this.queue.push(...batch.frames.map((frame) => JSON.parse(JSON.stringify(frame)) as Frame));
    return !this.isFull;
  }

  drain(): void {
    this.isFull = false;
    this.handler.drained();
  }

  close(code = 1000, reason = ''): void {
    this.closed = { code, reason };
    this.handler.dispose();
  }
}

/** A client over a real WebSocket, as a browser would make it. */
export async function connectSocket(url: string, token: string): Promise<DaemonConnection> {
  const socket = new WebSocket(url.replace(/^http/, 'ws'), [
    'orchestrator.json.v1',
    `orchestrator.token.${token}`,
  ]);
  const queue = new FrameQueue();
  socket.addEventListener('message', ({ data }) => queue.push(JSON.parse(String(data)) as Frame));
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener('open', () => resolve());
    socket.addEventListener('error', () => reject(new Error('The WebSocket did not open.')));
  });
  return {
    frames: queue.frames,
    send: (message) => socket.send(typeof message === 'string' ? message : JSON.stringify(message)),
    next: (matches) => queue.next(matches),
    close: () => socket.close(),
  };
}

/** A page of that origin, which shows its token as the seed has it: by the first message. */
export async function connectPage(
  context: BrowserContext,
  origin: string,
  url: string,
  token: string,
): Promise<DaemonConnection> {
  const page = await context.newPage();
  const queue = new FrameQueue();
  await page.exposeFunction('heard', (text: string) => queue.push(JSON.parse(text) as Frame));
  await page.goto(origin);
  await page.evaluate(
    ([address, auth]) =>
      new Promise<void>((resolve, reject) => {
        const socket = new WebSocket(address);
        Object.assign(globalThis, { socket });
        socket.addEventListener('message', ({ data }) => {
          (globalThis as unknown as { heard(text: string): void }).heard(String(data));
        });
        socket.addEventListener('open', () => {
          socket.send(JSON.stringify({ type: 'auth', token: auth }));
          resolve();
        });
        socket.addEventListener('error', () => reject(new Error('The WebSocket did not open.')));
      }),
    [url.replace(/^http/, 'ws'), token] as const,
  );
  return {
    frames: queue.frames,
    send: (message) => {
      const text = typeof message === 'string' ? message : JSON.stringify(message);
      void page.evaluate((sent) => (globalThis as unknown as { socket: WebSocket }).socket.send(sent), text);
    },
    next: (matches) => queue.next(matches),
    close: () => void page.close(),
  };
}

/** A core with the daemon's logic on it. */
export interface DaemonCore extends AsyncDisposable {
  readonly core: RealCore['core'];
  readonly home: string;
  readonly logic: DaemonLogic;
}

export async function startDaemonCore(
  fixture: HostFixture,
  limits?: Partial<OrchestratorLimits>,
): Promise<DaemonCore> {
  const real = await startRealCore(fixture, limits === undefined ? {} : { limits });
  const logic = createDaemonLogic({ orchestrator: real.core, version: '1.0.0', logger: nullLogger });
  return {
    core: real.core,
    home: real.home,
    logic,
    async [Symbol.asyncDispose]() {
      logic.dispose();
      await real[Symbol.asyncDispose]();
    },
  };
}

/** What a task has printed, as its chunks have it. */
export function textOf(frames: readonly Frame[], taskId: string): string {
  return frames
    .filter((frame) => frame.type === 'stream_chunk')
    .map(({ data }) => data as { chunk: string; metadata: { taskId: string } })
    .filter(({ metadata }) => metadata.taskId === taskId)
    .map(({ chunk }) => chunk)
    .join('');
}
