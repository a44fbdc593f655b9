import { lstatSync, type Stats, unlinkSync } from 'node:fs';
import { createConnection, type Server } from 'node:net';
import { invalidRequest } from '../../core/text.ts';
import { OrchestratorError } from '../../base/errors.ts';

/** What sun_path holds without its closing NUL: 104 bytes on macOS, 108 elsewhere. */
const maxPathBytes = process.platform === 'darwin' ? 103 : 107;
const probeLimitMs = 2_000;
const isWindows = process.platform === 'win32';

/**
 * Makes the path free for a socket: a dead socket of ours is removed; everything else that is there stays.
 * Errors: `invalid_request` (the path), `socket_in_use` by a live server, `socket_unsafe` for what is not our socket.
 */
export async function prepareSocketPath(path: string): Promise<void> {
  checkPath(path);
  // Names of pipes are no files.
  if (isWindows) return;
  const found = statOf(path);
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new OrchestratorError(
      'INTERNAL',
      'socket_unsafe',
      `existing path at socket path is of unsafe type ${typeName(found)}; refusing to remove ${path}. Move it away, or choose another path.`,
    );
  }
  if (found.uid !== process.getuid?.()) {
    throw new OrchestratorError(
      'PERMISSION_DENIED',
      'socket_unsafe',
      `The socket ${path} belongs to another user. Choose another path.`,
    );
  }
  if (await isListening(path)) {
    throw new OrchestratorError(
      'FAILED_PRECONDITION',
      'socket_in_use',
      `Another server listens on ${path}. Stop it, or choose another path.`,
    );
  }
  // Only what was looked at: another one may have begun to listen there in between.
  const now = statOf(path);
  if (now?.ino === found.ino && now.ctimeMs === found.ctimeMs) unlinkSync(path);
}

/** Listens on a socket that only this user can connect to from its first moment. Error: `listen_failed`. */
export function listenOnSocket(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => reject(listenError(path, error));
    server.once('error', onError);
    // `listen` makes the file before it returns. A chmod afterwards would leave a moment for others.
    const mask = isWindows ? undefined : process.umask(0o177);
    try {
      server.listen(path, () => {
        server.off('error', onError);
        resolve();
      });
    } finally {
      if (mask !== undefined) process.umask(mask);
    }
  });
}

export function listenError(where: string, cause: Error): OrchestratorError {
  return new OrchestratorError(
    'INTERNAL',
    'listen_failed',
    `failed to listen on socket ${where}: ${cause.message}`,
    {
      cause,
    },
  );
}

function checkPath(path: string): void {
  if (path === '') throw invalidRequest('grpc socket path cannot be empty');
  if (path.includes('\0')) throw invalidRequest('The path of the gRPC socket contains a NUL character.');
  const bytes = Buffer.byteLength(path);
  if (isWindows || bytes <= maxPathBytes) return;
  throw invalidRequest(
    `The path of the gRPC socket is too long: ${bytes} bytes, and this system takes ${maxPathBytes}. Choose a shorter one.`,
  );
}

function statOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

function typeName(stats: Stats): string {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'directory';
  return stats.isSymbolicLink() ? 'symlink' : 'device';
}

/** Also true where it cannot be told: then the socket is left alone. */
function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = createConnection(path);
    const finish = (answer: boolean): void => {
      connection.destroy();
      resolve(answer);
    };
    connection.setTimeout(probeLimitMs, () => finish(true));
    connection.once('connect', () => finish(true));
    connection.once('error', (error: NodeJS.ErrnoException) =>
      finish(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    );
  });
}
