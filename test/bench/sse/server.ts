/**
 * Our side of `npm run bench sse`: the daemon's event stream behind its HTTP server, token and all, with a daemon that
 * hands over pages of events as the log does. Prints port and token. server.ts FOLDER
 */
import { readFileSync } from 'node:fs';
import { nullLogger } from '../../../src/base/logger.ts';
import type { StreamFrame } from '../../../src/protocol/daemon/frames.ts';
import type { ClientHandler, FrameBatch } from '../../../src/servers/daemon/clientLink.ts';
import type { DaemonApi } from '../../../src/servers/http/daemonApi.ts';
import { startHttpServer } from '../../../src/servers/http/httpServer.ts';

/** As many as one page of the event log has. */
const pageSize = 256;
const firstSequence = 1_000_000;

function frameOf(index: number): StreamFrame {
  return {
    type: 'stream_chunk',
    data: {
      sessionId: 's0000000',
      chunk: 'xxxxxxxxxxxx',
      metadata: { type: 'text', index: 0, taskId: 't0000000' },
    },
    seq: firstSequence + index,
    part: 0,
  };
}

const pageAt = (from: number): FrameBatch => ({
  frames: Array.from({ length: pageSize }, (_, index) => frameOf(from + index)),
});
/** What all who listen are sent was written down for the first of them. */
const shared = pageAt(0);

const unused = (): Promise<never> => Promise.reject(new Error('not asked for here'));
const api: DaemonApi = {
  status: unused,
  listSessions: unused,
  getSession: unused,
  spawn: unused,
  createSession: unused,
  execute: unused,
  stop: unused,
  update: unused,
  listRuns: unused,
  readFrames: unused,
  accept(link) {
    let left = 0;
    let isShared = true;
    const pump = (): void => {
      // A few pages a turn, as a log that is read does.
      for (let pages = 0; pages < 4 && left > 0; pages += 1) {
        left -= pageSize;
        if (!link.deliver(isShared ? shared : pageAt(left))) return;
      }
      if (left > 0) setImmediate(pump);
      else setImmediate(() => link.close(1000, 'that was all'));
    };
    const handler: ClientHandler = {
      handle(request) {
        if (request.type !== 'subscribe') return;
        const [kind = '', count = '0'] = request.payload.sessionIds ?? [];
        isShared = kind === 'written';
        left = Number(count);
        link.answer({ type: 'subscribed', sessionIds: [], topics: [], seq: 0 });
        setImmediate(pump);
      },
      drained: () => void setImmediate(pump),
      dispose: () => {
        left = 0;
      },
    };
    return handler;
  },
};

const server = await startHttpServer({
  stateDir: process.argv[2] ?? '',
  port: 0,
  tasks: undefined,
  daemon: api,
  logger: nullLogger,
});
console.log(`${server.port} ${readFileSync(server.tokenPath, 'utf8').trim()}`);
