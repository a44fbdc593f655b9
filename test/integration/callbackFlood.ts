import { connect } from 'node:net';

const connections = 32;
/** Requests that one write holds. */
const batch = 100;

export interface Flood {
  isDone(): boolean;
  readonly done: Promise<{ readonly answers: Record<string, number>; readonly seconds: number }>;
}

/** As many callbacks as asked for, over pipelined connections, as fast as they are taken. */
export function startFlood(url: URL, taskId: string, total: number): Flood {
  const body = JSON.stringify({ taskId, eventType: 'log_entry', data: { level: 'info', message: 'flood' } });
  const request =
    `POST ${url.pathname} HTTP/1.1\r\nHost: ${url.host}\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
  const answers: Record<string, number> = {};
  const began = performance.now();
  let isDone = false;
  const share = total / connections;
  const all = Array.from({ length: connections }, () => floodOne(url, request, share, answers));
  const done = Promise.all(all).then(() => {
    isDone = true;
    return { answers, seconds: (performance.now() - began) / 1_000 };
  });
  return { isDone: () => isDone, done };
}

function floodOne(url: URL, request: string, count: number, answers: Record<string, number>): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(url.port), url.hostname);
    let sent = 0;
    let received = 0;
    let rest = '';
    const send = (): void => {
      let hasRoom = true;
      while (sent < count && hasRoom) {
        const size = Math.min(batch, count - sent);
        sent += size;
        hasRoom = socket.write(request.repeat(size));
      }
    };
    socket.on('connect', send);
    socket.on('drain', send);
    socket.on('error', reject);
    socket.on('close', () => {
      if (received < count) reject(new Error(`the listener closed after ${received} of ${count} answers`));
    });
    socket.setEncoding('latin1').on('data', (part: string) => {
      const text = rest + part;
      let end = 0;
      for (const match of text.matchAll(/HTTP\/1\.1 (\d{3}) [^\r\n]*\r\n/g)) {
        const status = match[1] ?? '';
        answers[status] = (answers[status] ?? 0) + 1;
        received += 1;
        end = match.index + match[0].length;
      }
      // The beginning of a status line may stand at the end.
      rest = text.slice(Math.max(end, text.length - 40));
      if (received < count) return;
      resolve();
      socket.destroy();
    });
  });
}
