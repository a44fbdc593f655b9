import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { grpcProtocol } from '../../../protocol/daemon/handshake.ts';

/**
 * A WebSocket as the bytes that go through it. Nothing of it is shared between clients, and HTTP/2 has its own flow
 * control and limits, so that `ws` does all of it. The request has been checked, and its sender has shown a token.
 * @param maxBytes of one message.
 */
export async function openGrpcStream(
  request: IncomingMessage,
  socket: Socket,
  head: Buffer,
  maxBytes: number,
): Promise<Duplex> {
  const { createWebSocketStream, WebSocketServer } = await import('ws');
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: maxBytes,
    handleProtocols: () => grpcProtocol,
  });
  socket.setTimeout(0);
  return new Promise((resolve, reject) => {
    socket.once('close', () => reject(new Error('The client has left during the handshake.')));
    server.handleUpgrade(request, socket, head, (webSocket) => {
      const stream = createWebSocketStream(webSocket);
      // Whoever has the stream hears of its close.
      stream.on('error', () => stream.destroy());
      resolve(stream);
    });
  });
}
