import { Duplex, Readable } from 'node:stream';

/** dockerode's types know less of its streams than they are: connections and answers of Node's own HTTP client. */

export function readableOf(stream: NodeJS.ReadableStream): Readable {
  if (stream instanceof Readable) return stream;
  throw new Error('The engine answered with something that is no stream.');
}

/** An upgraded connection. */
export function duplexOf(stream: NodeJS.ReadWriteStream): Duplex {
  if (stream instanceof Duplex) return stream;
  throw new Error('The engine did not upgrade the connection.');
}
