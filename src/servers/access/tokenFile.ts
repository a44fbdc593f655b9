import { randomBytes } from 'node:crypto';
import { lstatSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { OrchestratorError } from '../../base/errors.ts';

/** 256 bits, as base64url; the tokens of the gRPC door were once made in hex, and stay what they are. */
const tokenShape = /^(?:[\w-]{43}|[\da-f]{64})$/;

export function newToken(): string {
  return randomBytes(32).toString('base64url');
}

/**
 * The token in a file of a state directory, which is private and held by one core: made at the first start and kept.
 * One that others could have read, or that is no token, is replaced.
 * Errors: `state_dir_unsafe` for what is no file of ours; `disk_full`.
 */
export function ensureTokenFile(path: string): string {
  return readTokenFile(path) ?? replaceTokenFile(path);
}

/** Puts a new token in its place; the old one opens nothing any more. Error: `disk_full`. */
export function replaceTokenFile(path: string): string {
  const token = newToken();
  writePrivateFile(path, `${token}\n`);
  return token;
}

/** Undefined where there is none that is safe to use. Error: `state_dir_unsafe`. */
export function readTokenFile(path: string): string | undefined {
  const token = readPrivateFile(path)?.trim();
  return token !== undefined && tokenShape.test(token) ? token : undefined;
}

/**
 * What is in a file of this user's that nobody else could read; undefined where there is none, or others could.
 * Error: `state_dir_unsafe` for a link, a folder, or a file of somebody else.
 */
export function readPrivateFile(path: string): string | undefined {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  const isOwn = process.platform === 'win32' || stats.uid === process.getuid?.();
  if (!stats.isFile() || !isOwn) {
    throw new OrchestratorError(
      'PERMISSION_DENIED',
      'state_dir_unsafe',
      `${path} is ${stats.isFile() ? 'owned by another user' : 'no file'}. Tokens are kept there: move it away.`,
      { details: { path } },
    );
  }
  if (process.platform !== 'win32' && (stats.mode & 0o077) !== 0) return undefined;
  return readFileSync(path, 'utf8');
}

/** Whole and for this user only: a reader sees the old or the new one. Error: `disk_full`. */
function writePrivateFile(path: string, content: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, content, { mode: 0o600 });
    renameSync(temporary, path);
  } catch (error) {
    throw OrchestratorError.from(error);
  }
}
