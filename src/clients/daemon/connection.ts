import type { OrchestratorError } from '../../base/errors.ts';
import {
  cborProtocol,
  closeCode,
  jsonProtocol,
  tokenProtocolPrefix,
} from '../../protocol/daemon/handshake.ts';
import { connectionFailed, disconnectedMeanwhile, unauthenticated } from './errors.ts';
import { type DaemonFrame, type FrameCodec, jsonCodec, loadCborCodec } from './frameCodec.ts';
import type { ClientSettings } from './options.ts';
import type { WebSocketLike } from './webSocket.ts';

/** One WebSocket that the daemon has let in. */
export interface Connection {
  readonly isOpen: boolean;
  readonly send: (message: object) => void;
  /** `onClose` is not called for it. */
  readonly close: (code: number, reason: string) => void;
}

export interface ConnectionEvents {
  /** Every frame from the one on that says that the token was taken. */
  onFrame(frame: DaemonFrame): void;
  /** Once, and only after the connection was open. */
  onClose(code: number, reason: string): void;
}

/**
 * Resolves as soon as the daemon has taken the token.
 * Errors: `unauthenticated`, with the daemon's reason; `closed` ("WebSocket connection failed") for everything else
 * that keeps it from opening in time, and when `signal` aborts it.
 */
export async function openConnection(
  settings: ClientSettings,
  token: string | undefined,
  events: ConnectionEvents,
  signal: AbortSignal,
): Promise<Connection> {
  const cborCodec = settings.encoding === 'cbor' ? await loadCborCodec() : undefined;
  if (signal.aborted) throw disconnectedMeanwhile();
  const socket = createSocket(settings, token);
  socket.binaryType = 'arraybuffer';
  return await new Promise<Connection>((resolve, reject) => {
    let state: 'opening' | 'open' | 'over' = 'opening';
    let codec: FrameCodec = jsonCodec;
    const send = (message: object): void => socket.send(codec.encode(message));

    const leave = (code: number, reason: string): void => {
      state = 'over';
      settle();
      try {
        socket.close(code, reason);
      } catch {
        // Some implementations throw while they still connect; then the open event finds that it is over.
      }
    };
    const fail = (error: OrchestratorError): void => {
      if (state !== 'opening') return;
      leave(1000, 'gave up');
      reject(error);
    };
    const timer = settings.clock.setTimer(settings.connectTimeoutMs, () =>
      fail(connectionFailed(settings.url, `no answer within ${settings.connectTimeoutMs} ms`)),
    );
    const onAbort = (): void => fail(disconnectedMeanwhile());
    const settle = (): void => {
      timer.dispose();
      signal.removeEventListener('abort', onAbort);
    };
    signal.addEventListener('abort', onAbort);

    const isAuthFrameDue = settings.tokenBy === 'frame' && token !== undefined;
    // The daemon greets strangers too: without `auth`, only what it answers tells whether it knows the client.
    const welcome = isAuthFrameDue ? 'auth_success' : 'pong';
    /** Why it refused, in its own word; the close code that follows tells what that means. */
    let refusal: string | undefined;

    socket.addEventListener('open', () => {
      if (state !== 'opening') {
        socket.close();
        return;
      }
      if (socket.protocol === cborProtocol && cborCodec !== undefined) codec = cborCodec;
      send(isAuthFrameDue ? { type: 'auth', token } : { type: 'ping' });
    });
    socket.addEventListener('message', ({ data }) => {
      if (state === 'over') return;
      let frame: DaemonFrame;
      try {
        frame = codec.decode(data);
      } catch {
        // What cannot be read cannot be skipped either: a frame of the stream would be missing.
        const wasOpen = state === 'open';
        fail(connectionFailed(settings.url, 'it sent what is no frame'));
        if (wasOpen) {
          leave(1007, 'unreadable frame');
          events.onClose(1007, 'unreadable frame');
        }
        return;
      }
      if (state === 'opening') {
        if (frame.type === 'error') refusal = frame.error;
        if (frame.type !== welcome) return;
        state = 'open';
        settle();
        // First: what the caller does with the connection waits for the microtask, and frames may follow at once.
        resolve({
          get isOpen() {
            return state === 'open';
          },
          send,
          close: leave,
        });
      }
      events.onFrame(frame);
    });
    socket.addEventListener('error', () => {
      fail(connectionFailed(settings.url, 'it could not be opened'));
    });
    socket.addEventListener('close', ({ code, reason }) => {
      const wasOpen = state === 'open';
      const said = refusal ?? (reason === '' ? undefined : reason);
      if (isRefusal(code)) fail(unauthenticated(said ?? 'The daemon refused the token.'));
      else fail(connectionFailed(settings.url, `closed with ${code}`, said));
      state = 'over';
      if (wasOpen) events.onClose(code, reason);
    });
  });
}

/** Trying again with the same token would end the same way. */
export function isRefusal(code: number): boolean {
  return code === closeCode.unauthorized || code === closeCode.authTimeout;
}

function createSocket(settings: ClientSettings, token: string | undefined): WebSocketLike {
  const { tokenBy, encoding, url } = settings;
  const protocols: string[] = encoding === 'cbor' ? [cborProtocol, jsonProtocol] : [];
  const headers: Record<string, string> = {};
  if (token !== undefined && tokenBy === 'header') headers['Authorization'] = `Bearer ${token}`;
  if (token !== undefined && tokenBy === 'subprotocol') {
    if (protocols.length === 0) protocols.push(jsonProtocol);
    protocols.push(`${tokenProtocolPrefix}${token}`);
  }
  try {
    return settings.createWebSocket(url, protocols, headers);
  } catch (error) {
    throw connectionFailed(url, error instanceof Error ? error.message : String(error));
  }
}
