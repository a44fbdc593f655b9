import { Duplex } from 'node:stream';
import type { FrameCorrector } from './frameCorrector.ts';

/**
 * A connection that reads what its corrector makes of the socket's bytes, and writes to the socket. Each closes with
 * the other.
 */
export function correctedConnection(socket: Duplex, corrector: FrameCorrector, received: Buffer): Duplex {
  const connection = new Duplex({
    read: () => socket.resume(),
    write(chunk: Buffer, _encoding, done) {
      // An error closes the socket, and so this: nobody needs to hear of it twice.
      socket.write(chunk, () => done());
    },
    writev(chunks, done) {
      socket.cork();
      const last = chunks.at(-1);
      for (const entry of chunks) socket.write(entry.chunk as Buffer, () => entry === last && done());
      socket.uncork();
    },
    final(done) {
      socket.end(() => done());
    },
    destroy(error, done) {
      socket.destroy();
      done(error);
    },
  });
  connection.push(received);
  socket.on('data', (chunk: Buffer) => {
    const bytes = corrector.push(chunk);
    if (bytes.length > 0 && !connection.push(bytes)) socket.pause();
  });
  socket.once('end', () => connection.push(null));
  socket.once('close', () => connection.destroy());
  return connection;
}
