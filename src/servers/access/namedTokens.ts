import { createHash } from 'node:crypto';
import { closeSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod/mini';
import { OrchestratorError } from '../../base/errors.ts';
import { invalidRequest } from '../../core/text.ts';
import { type Scope, scopes } from '../../protocol/daemon/handshake.ts';
import { newToken, readPrivateFile } from './tokenFile.ts';

const namedToken = z.object({
  name: z.string(),
  /** SHA-256 in hex: what is kept opens nothing. */
  hash: z.string().check(z.regex(/^[\da-f]{64}$/)),
  scope: z.enum(scopes),
  /** Milliseconds since the epoch. */
  createdAt: z.number(),
  expiresAt: z.optional(z.number()),
});
/** A token besides the main one. Its scope includes those before it. */
export type NamedToken = z.infer<typeof namedToken>;

const tokenList = z.object({ tokens: z.array(namedToken) });

/** How many there may be. */
export const namedTokenLimit = 256;
/** How long somebody else may take to write the file. */
const writeLimitMs = 2_000;
const writePollMs = 20;

export function namedTokensPath(stateDir: string): string {
  return join(stateDir, 'http-tokens.json');
}

export function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** Oldest first, those that have expired too. Error: `state_dir_unsafe`, also for a file that others could write or read. */
export function readNamedTokens(stateDir: string): readonly NamedToken[] {
  const path = namedTokensPath(stateDir);
  const text = readPrivateFile(path);
  if (text === undefined) {
    if (statSync(path, { throwIfNoEntry: false }) === undefined) return [];
    throw unusable(path, 'others could read it');
  }
  try {
    return tokenList.parse(JSON.parse(text)).tokens;
  } catch (error) {
    throw unusable(path, 'it is not what was written there', error);
  }
}

export interface NewNamedToken {
  readonly name: string;
  readonly scope: Scope;
  /** Milliseconds since the epoch. */
  readonly expiresAt?: number | undefined;
}

/**
 * @returns the token, which is kept nowhere: show it once.
 * Errors: `invalid_request` (the name, that it is taken, or too many), `state_dir_unsafe`, `disk_full`.
 */
export async function addNamedToken(stateDir: string, request: NewNamedToken, now: number): Promise<string> {
  const { name, scope, expiresAt } = request;
  if (!/^[\w.@-]{1,64}$/.test(name)) {
    throw invalidRequest('The name of a token is up to 64 letters, digits, dots, dashes, _ and @.');
  }
  const token = newToken();
  await change(stateDir, (tokens) => {
    const kept = tokens.filter((other) => !isExpired(other, now));
    if (kept.some((other) => other.name === name))
      throw invalidRequest(`There is a token "${name}" already.`);
    if (kept.length >= namedTokenLimit)
      throw invalidRequest(`There are ${kept.length} tokens: revoke one first.`);
    const added: NamedToken = { name, hash: hashOf(token), scope, createdAt: now };
    return [...kept, expiresAt === undefined ? added : { ...added, expiresAt }];
  });
  return token;
}

/** Errors: `invalid_request` where there is none of that name; `state_dir_unsafe`, `disk_full`. */
export async function removeNamedToken(stateDir: string, name: string): Promise<void> {
  await change(stateDir, (tokens) => {
    const kept = tokens.filter((other) => other.name !== name);
    if (kept.length === tokens.length) throw invalidRequest(`There is no token "${name}".`);
    return kept;
  });
}

export function isExpired({ expiresAt }: NamedToken, now: number): boolean {
  return expiresAt !== undefined && expiresAt <= now;
}

/** The file that is written is the lock too, since only one can make it; one that was left behind is taken away. */
async function change(
  stateDir: string,
  edit: (tokens: readonly NamedToken[]) => readonly NamedToken[],
): Promise<void> {
  const path = namedTokensPath(stateDir);
  const next = `${path}.new`;
  const file = await makeAlone(next);
  try {
    try {
      writeSync(file, `${JSON.stringify({ tokens: edit(readNamedTokens(stateDir)) }, null, 2)}\n`);
    } finally {
      closeSync(file);
    }
    renameSync(next, path);
  } catch (error) {
    rmSync(next, { force: true });
    throw OrchestratorError.from(error);
  }
}

async function makeAlone(path: string): Promise<number> {
  const deadline = Date.now() + writeLimitMs;
  for (;;) {
    try {
      return openSync(path, 'wx', 0o600);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST'))
        throw OrchestratorError.from(error);
    }
    if (Date.now() > deadline) rmSync(path, { force: true });
    await delay(writePollMs);
  }
}

function unusable(path: string, why: string, cause?: unknown): OrchestratorError {
  return new OrchestratorError(
    'PERMISSION_DENIED',
    'state_dir_unsafe',
    `${path} cannot be used: ${why}. Remove it; its tokens must then be made again.`,
    { details: { path }, cause },
  );
}
