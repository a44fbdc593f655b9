import { connect } from 'node:net';

const connections = 16;
/** Requests that one write holds. */
const batch = 100;

export interface Flood {
  isDone(): boolean;
  readonly done: Promise<{ readonly answers: Record<string, number>; readonly seconds: number }>;
}

/**
 * As many callbacks as asked for, over connections that do not wait for answers and are made again when the listener
 * closes them. What the listener drops with a connection is never answered.
 */
export function startFlood(url: URL, taskId: string, total: number): Flood {
  const body = JSON.stringify({ taskId, eventType: 'log_entry', data: { level: 'info', message: 'flood' } });
  const request =
    `POST ${url.pathname} HTTP/1.1\r\nHost: ${url.host}\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
  const answers: Record<string, number> = {};
  const began = performance.now();
  let isDone = false;
  let left = total;
  const takeBatch = (): number => {
    const size = Math.min(batch, left);
    left -= size;
    return size;
  };
  const floodOn = async (): Promise<void> => {
    while (left > 0) await floodOnce(url, request, takeBatch, answers);
  };
  const done = Promise.all(Array.from({ length: connections }, floodOn)).then(() => {
    isDone = true;
    return { answers, seconds: (performance.now() - began) / 1_000 };
  });
  return { isDone: () => isDone, done };
}

/** One connection, until it is closed or nothing is left to be sent. */
function floodOnce(
  url: URL,
  request: string,
  takeBatch: () => number,
  answers: Record<string, number>,
): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(Number(url.port), url.hostname);
    let rest = '';
    const send = (): void => {
      for (let hasRoom = true; hasRoom && !socket.destroyed; ) {
        const size = takeBatch();
        if (size === 0) {
          socket.end();
          return;
        }
        hasRoom = socket.write(request.repeat(size));
      }
    };
    socket.on('connect', send);
    socket.on('drain', send);
    // A connection that is closed with unread data in it is reset.
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
    socket.setEncoding('latin1').on('data', (part: string) => {
      const text = rest + part;
      let end = 0;
      for (const match of text.matchAll(/HTTP\/1\.1 (\d{3}) [^\r\n]*\r\n/g)) {
        const status = match[1] ?? '';
        answers[status] = (answers[status] ?? 0) + 1;
        end = match.index + match[0].length;
      }
      // The beginning of a status line may stand at the end.
      rest = text.slice(Math.max(end, text.length - 40));
    });
  });
}
