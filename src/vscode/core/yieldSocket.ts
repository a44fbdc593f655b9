import { randomBytes, timingSafeEqual } from 'node:crypto';
import { chmod, rm } from 'node:fs/promises';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { z } from 'zod/mini';
import type { Disposable } from '../../base/disposable.ts';
import type { Logger } from '../../base/logger.ts';
import { ensurePrivateDir, hostPaths } from '../../processHost/paths.ts';

/**
 * How a window asks the one that serves its state directory to let go (docs/adr/0002). One line of JSON each way:
 * `{token, isForced}` → `{hasYielded}`. Without force the holder yields only when nobody sees its window any more.
 */
const yieldRequest = z.object({ token: z.string(), isForced: z.boolean() });
const yieldAnswer = z.object({ hasYielded: z.boolean() });

const maxLineLength = 4_096;
const requestTimeoutMs = 5_000;

/** sun_path holds 104 bytes on macOS. */
const maxSocketPathBytes = 100;

/** Beside the state where the path is short enough, else beside the process host's socket in the runtime folder. */
export function yieldSocketPath(stateDir: string): string {
  const { socket, socketDir } = hostPaths(stateDir);
  if (process.platform === 'win32') return `${socket}-core`;
  const local = join(stateDir, 'core.sock');
  if (Buffer.byteLength(local) <= maxSocketPathBytes || socketDir === undefined) return local;
  ensurePrivateDir(socketDir);
  return socket.replace(/\.sock$/, '-core.sock');
}

export interface YieldServer extends Disposable {
  readonly socket: string;
  readonly token: string;
}

/** @param onRequest lets go, or not; answers whether the lock is free now. */
export async function serveYield(
  socket: string,
  onRequest: (isForced: boolean) => Promise<boolean>,
  logger: Logger,
): Promise<YieldServer> {
  const token = randomBytes(32).toString('hex');
  const connections = new Set<Socket>();
  // Whatever is there is a leftover: only the holder of the lock comes here.
  if (process.platform !== 'win32') await rm(socket, { force: true });
  const server = createServer((connection) => {
    connections.add(connection);
    connection.once('close', () => connections.delete(connection));
    connection.on('error', () => connection.destroy());
    connection.setTimeout(requestTimeoutMs, () => connection.destroy());
    void answer(connection, token, onRequest).catch((error: unknown) => {
      logger.debug('a request to yield was not understood', error);
      connection.destroy();
    });
  });
  await listen(server, socket);
  if (process.platform !== 'win32') await chmod(socket, 0o600);
  return {
    socket,
    token,
    dispose() {
      server.close();
      for (const connection of connections) {
        // The one whose request ends us still has its answer coming.
        connection.setTimeout(requestTimeoutMs, () => connection.destroy());
        connection.unref();
      }
    },
  };
}

async function answer(
  connection: Socket,
  token: string,
  onRequest: (isForced: boolean) => Promise<boolean>,
): Promise<void> {
  const request = yieldRequest.parse(JSON.parse(await readLine(connection)));
  const given = Buffer.from(request.token);
  const wanted = Buffer.from(token);
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) {
    connection.destroy();
    return;
  }
  connection.setTimeout(0);
  const hasYielded = await onRequest(request.isForced);
  connection.end(`${JSON.stringify({ hasYielded })}\n`);
}

export type YieldOutcome = 'yielded' | 'refused' | 'unreachable';

/** Asks the holder once. `unreachable` when nobody listens there or no answer came in time. */
export async function requestYield(
  socket: string,
  token: string,
  isForced: boolean,
  timeoutMs: number,
): Promise<YieldOutcome> {
  const connection = createConnection(socket);
  connection.setTimeout(timeoutMs, () => connection.destroy());
  try {
    connection.on('error', () => connection.destroy());
    connection.write(`${JSON.stringify({ token, isForced })}\n`);
    const reply = yieldAnswer.parse(JSON.parse(await readLine(connection)));
    return reply.hasYielded ? 'yielded' : 'refused';
  } catch {
    return 'unreachable';
  } finally {
    connection.destroy();
  }
}

function readLine(connection: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    connection.setEncoding('utf8');
    connection.on('data', (part: string) => {
      text += part;
      const end = text.indexOf('\n');
      if (end >= 0) resolve(text.slice(0, end));
      else if (text.length > maxLineLength) reject(new Error('the line is too long'));
    });
    connection.once('close', () => {
      reject(new Error('the connection ended before a line came'));
    });
  });
}

function listen(server: Server, socket: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(socket, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
