import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { OrchestratorError } from '../../src/base/errors.ts';
import { nullLogger } from '../../src/base/logger.ts';
import { type Scope, scopes } from '../../src/protocol/daemon/handshake.ts';
import type { Authenticator, Caller } from '../../src/servers/access/caller.ts';
import type { AcceptClient } from '../../src/servers/daemon/clientLink.ts';
import {
  createSocketDoor,
  type SocketDoor,
  type SocketDoorOptions,
} from '../../src/servers/daemon/socket/socketDoor.ts';
import { originRules } from '../../src/servers/http/originRules.ts';

export const goodToken = 'a-good-token';

/** Callers by their tokens; too many wrong ones are not counted. */
export function authenticatorOf(callers: Readonly<Record<string, Caller>>): Authenticator {
  return {
    authenticate({ token }) {
      const caller = callers[token ?? ''];
      if (caller !== undefined) return Promise.resolve(caller);
      const reason = token === undefined ? 'credentials_missing' : 'api_key_invalid';
      return Promise.reject(new OrchestratorError('UNAUTHENTICATED', 'unauthenticated', reason));
    },
  };
}

export function callerOf(name: string, ...allowed: readonly Scope[]): Caller {
  return { name, scopes: new Set(allowed.length === 0 ? scopes : allowed) };
}

/** `ping` is answered; of `execute_task` the task comes back as the error's text, so that bytes can be compared. */
export const echoing: AcceptClient = (link) => ({
  handle(request) {
    const { requestId } = request;
    if (request.type === 'execute_task') {
      link.answer({ type: 'error', error: request.payload.task, requestId, seq: 7 });
    } else {
      link.answer({ type: 'pong', requestId, seq: 7 });
    }
  },
  drained: () => undefined,
  dispose: () => undefined,
});

export interface ServedDoor extends AsyncDisposable {
  readonly door: SocketDoor;
  readonly port: number;
  readonly url: string;
}

export interface ServeDoorOptions extends Partial<SocketDoorOptions> {
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer };
  /** From a connection's beginning to the end of a request's headers, in milliseconds. */
  readonly headersTimeoutMs?: number;
}

/** The door on a plain server of Node, without the daemon behind it. */
export async function serveDoor(options: ServeDoorOptions = {}): Promise<ServedDoor> {
  const { tls, headersTimeoutMs = 60_000, ...doorOptions } = options;
  const door = createSocketDoor({
    rules: originRules('127.0.0.1'),
    authenticator: authenticatorOf({ [goodToken]: callerOf('token') }),
    accept: echoing,
    sequence: () => 7,
    logger: nullLogger,
    ...doorOptions,
  });
  const settings = {
    headersTimeout: headersTimeoutMs,
    requestTimeout: headersTimeoutMs,
    connectionsCheckingInterval: 200,
  };
  const answer: RequestListener = (_request, response) => void response.writeHead(404).end();
  const server =
    tls === undefined
      ? createHttpServer(settings, answer)
      : createHttpsServer({ ...settings, ...tls }, answer);
  server.on('upgrade', (request, socket, head) => door.handleUpgrade(request, socket, head));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    door,
    port,
    url: `${tls === undefined ? 'ws' : 'wss'}://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      await door.stop();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
