import { randomBytes, timingSafeEqual } from 'node:crypto';
import { lstatSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OrchestratorError } from '../../base/errors.ts';

export interface AccessToken {
  /** 256 bits, as base64url. */
  readonly token: string;
  /** Where it is kept, for this user only. */
  readonly path: string;
}

/**
 * The token of the HTTP door of a state directory, which is private and held by one core: made at the first start and
 * kept. One that others could have read, or that is no token, is replaced.
 * Errors: `state_dir_unsafe` for what is no file of ours; `disk_full`.
 */
export function ensureAccessToken(stateDir: string): AccessToken {
  const path = join(stateDir, 'http-token');
  const kept = readToken(path);
  if (kept !== undefined) return { token: kept, path };
  const token = randomBytes(32).toString('base64url');
  try {
    writeFileSync(`${path}.tmp`, `${token}\n`, { mode: 0o600 });
    renameSync(`${path}.tmp`, path);
  } catch (error) {
    throw OrchestratorError.from(error);
  }
  return { token, path };
}

function readToken(path: string): string | undefined {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  const isOwn = process.platform === 'win32' || stats.uid === process.getuid?.();
  if (!stats.isFile() || !isOwn) {
    throw new OrchestratorError(
      'PERMISSION_DENIED',
      'state_dir_unsafe',
      `${path} is ${stats.isFile() ? 'owned by another user' : 'no file'}. The token of the HTTP server is kept there: move it away.`,
      { details: { path } },
    );
  }
  if (process.platform !== 'win32' && (stats.mode & 0o077) !== 0) return undefined;
  const token = readFileSync(path, 'utf8').trim();
  return /^[\w-]{43}$/.test(token) ? token : undefined;
}

/**
 * Whether an `Authorization` header holds the token.
 * @throws OrchestratorError `unauthenticated`, which says what is missing.
 */
export function checkBearer(header: string | undefined, token: string): void {
  if (header === undefined) throw unauthenticated('Send the token as "Authorization: Bearer TOKEN".');
  const given = /^Bearer +(\S+) *$/i.exec(header)?.[1];
  if (given === undefined) throw unauthenticated('The authorization header must be "Bearer TOKEN".');
  const [wanted, actual] = [Buffer.from(token), Buffer.from(given)];
  if (wanted.length !== actual.length || !timingSafeEqual(wanted, actual)) {
    throw unauthenticated('The token is wrong.');
  }
}

function unauthenticated(message: string): OrchestratorError {
  return new OrchestratorError('UNAUTHENTICATED', 'unauthenticated', message);
}
