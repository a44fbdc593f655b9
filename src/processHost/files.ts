import {
  appendFileSync,
  closeSync,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { inspect } from 'node:util';

/** Replaces a file as a whole: a reader sees the old or the new one, never a part. Mode 0600. */
export function writeFileAtomic(path: string, content: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, content, { mode: 0o600 });
  renameSync(temporary, path);
}

/** One JSON value a line. A last line that was torn by a crash, and what is not JSON, is left out. */
export function parseJsonLines(content: string): unknown[] {
  const values: unknown[] = [];
  for (const line of content.split('\n')) {
    if (line === '') continue;
    try {
      values.push(JSON.parse(line));
    } catch {
      // A torn line: the process died while it wrote it, so nobody was told of it.
    }
  }
  return values;
}

export function readJsonLines(path: string): unknown[] {
  return parseJsonLines(readTextIfThere(path) ?? '');
}

export function readJson(path: string): unknown {
  const text = readTextIfThere(path);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

export function readTextIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** The last `bytes` of a file as text; empty where there is none. */
export function readTail(path: string, bytes: number): string {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch {
    return '';
  }
  try {
    const size = fstatSync(descriptor).size;
    const buffer = Buffer.alloc(Math.min(bytes, size));
    const read = readSync(descriptor, buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString('utf8', 0, read);
  } finally {
    closeSync(descriptor);
  }
}

/** The `code` of a system error such as ENOENT. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

const maxLogBytes = 1024 * 1024;

/** A log that never fails its caller and never holds more than two files of 1 MiB. */
export function createFileLog(path: string): (message: string, error?: unknown) => void {
  return (message, error) => {
    const reason = error === undefined ? '' : `: ${inspect(error)}`;
    try {
      if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > maxLogBytes)
        renameSync(path, `${path}.old`);
      appendFileSync(path, `${new Date().toISOString()} ${process.pid} ${message}${reason}\n`, {
        mode: 0o600,
      });
    } catch {
      // A full disk must not end the host for the sake of its log.
    }
  };
}
