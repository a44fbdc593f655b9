import { mkdirSync } from 'node:fs';
import type { Scope } from '../../protocol/daemon/handshake.ts';
import { mainTokenPath } from '../../servers/access/access.ts';
import {
  addNamedToken,
  isExpired,
  type NamedToken,
  readNamedTokens,
  removeNamedToken,
} from '../../servers/access/namedTokens.ts';
import { ensurePrivateDir } from '../../processHost/paths.ts';
import { replaceTokenFile } from '../../servers/access/tokenFile.ts';
import type { CommandContext } from '../commandContext.ts';
import { exitCode } from '../exitCodes.ts';
import { formatTable } from '../output/table.ts';

/** They work on the files alone: a core that serves the directory sees each change at the next request. */

export interface CreateTokenOptions {
  readonly name: string;
  /** `read` when missing. */
  readonly scope?: string;
  /** Milliseconds; never when missing. */
  readonly expiresInMs?: number | undefined;
}

/** Prints the token, alone on its line, so that a script can take it. Errors: as with `addNamedToken`. */
export async function createToken(context: CommandContext, options: CreateTokenOptions): Promise<number> {
  const { stateDir, isJson, out, err } = context;
  const { name, scope = 'read', expiresInMs } = options;
  makeStateDir(stateDir);
  const now = Date.now();
  const expiresAt = expiresInMs === undefined ? undefined : now + expiresInMs;
  const token = await addNamedToken(stateDir, { name, scope: scope as Scope, expiresAt }, now);
  if (isJson) await out.writeJson({ name, scope, token, ...(expiresAt === undefined ? {} : { expiresAt }) });
  else {
    await err.writeLine(`The token "${name}" (${scope}) is shown this once:`);
    await out.writeLine(token);
  }
  return exitCode.ok;
}

/** Their names and what they allow: the tokens themselves are kept nowhere. */
export async function listTokens({ stateDir, isJson, out }: CommandContext): Promise<number> {
  const tokens = readNamedTokens(stateDir);
  if (isJson) await out.writeJson({ tokens: tokens.map(({ hash: _, ...token }) => token) });
  else if (tokens.length === 0) await out.writeLine('No further tokens. The main one allows everything.');
  else {
    const header = ['NAME', 'SCOPE', 'CREATED', 'EXPIRES'];
    await out.write(formatTable(header, tokens.map(row), out.columns));
  }
  return exitCode.ok;
}

export async function revokeTokens(
  { stateDir, isJson, out }: CommandContext,
  names: readonly string[],
): Promise<number> {
  for (const name of names) {
    await removeNamedToken(stateDir, name);
    if (!isJson) await out.writeLine(`Revoked "${name}".`);
  }
  if (isJson) await out.writeJson({ revoked: names });
  return exitCode.ok;
}

/** Says where the new main token is; it is not printed. Error: `disk_full`. */
export async function rotateToken({ stateDir, isJson, out }: CommandContext): Promise<number> {
  makeStateDir(stateDir);
  const path = mainTokenPath(stateDir);
  replaceTokenFile(path);
  await (isJson ? out.writeJson({ tokenFile: path }) : out.writeLine(`The new token is in ${path}.`));
  return exitCode.ok;
}

/** A token may be made before anything is served. Error: `state_dir_unsafe`. */
function makeStateDir(stateDir: string): void {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  ensurePrivateDir(stateDir);
}

function row(token: NamedToken): string[] {
  const { name, scope, createdAt, expiresAt } = token;
  const end = expiresAt === undefined ? 'never' : new Date(expiresAt).toISOString();
  return [
    name,
    scope,
    new Date(createdAt).toISOString(),
    isExpired(token, Date.now()) ? `${end} (over)` : end,
  ];
}
