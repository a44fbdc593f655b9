import type { Socket } from 'node:net';
import { ConnectionLimit } from '../../base/connectionLimit.ts';

/** The connections of a server, from before a TLS handshake, within a limit: those that have shown no token go first. */
export class OpenConnections {
  private readonly limit: ConnectionLimit<Socket>;
  /** By the other end: with TLS, a request knows another socket than the one that was accepted. */
  private readonly open = new Map<string, Socket>();

  constructor(limit: number) {
    this.limit = new ConnectionLimit(limit);
  }

  admit(socket: Socket): void {
    const key = keyOf(socket);
    this.open.set(key, socket);
    socket.once('close', () => {
      if (this.open.get(key) === socket) this.open.delete(key);
    });
    this.limit.admit(socket);
  }

  /** @param socket of a request. */
  trust(socket: Socket): void {
    const accepted = this.open.get(keyOf(socket));
    if (accepted !== undefined) this.limit.trust(accepted);
  }

  destroyAll(): void {
    for (const socket of this.open.values()) socket.destroy();
  }
}

function keyOf({ remoteAddress = '', remotePort = 0 }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
