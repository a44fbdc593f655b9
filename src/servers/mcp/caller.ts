import { createHash } from 'node:crypto';
import { OrchestratorError } from '../../base/errors.ts';
import type { Session } from '../../core/sessions/session.ts';
import { mayTouch, permissionDenied, type Principal } from '../../core/terminals/owners.ts';
import type { Scope } from '../../protocol/daemon/handshake.ts';
import type { Caller } from '../access/caller.ts';

/** Who calls a tool, and what it may do. */
export interface ToolCaller {
  /** What it starts belongs to this owner: `mcp:claude-code`. */
  readonly owner: string;
  /** It ends, and types into, what belongs to this owner or to one below it; null reaches everything. */
  readonly principal: Principal;
  readonly scopes: ReadonlySet<Scope>;
}

/** An owner of a session has at most 120 characters. */
const longestName = 40;

/**
 * The caller behind a token. What a client calls itself only names what it starts: rights follow from the token, so two
 * clients of one token reach each other's things, and those of two tokens never do.
 */
export function callerOfToken({ name, scopes }: Caller, clientName: string | undefined): ToolCaller {
  if (scopes.has('admin')) return { owner: `mcp:${clientId(clientName)}`, principal: null, scopes };
  // No client's name has an @, so that none can be taken for a token's.
  const principal = `mcp:@${identityId(name)}`;
  return { owner: `${principal}:${clientId(clientName)}`, principal, scopes };
}

/** The caller over a channel that only this user can open: its rights are those of who it says it is. */
export function localCaller(
  clientName: string | undefined,
  scopes: ReadonlySet<Scope>,
  ownerName?: string,
): ToolCaller {
  const owner = `mcp:${clientId(ownerName ?? clientName)}`;
  return { owner, principal: scopes.has('admin') ? null : owner, scopes };
}

/** Error: `permission_denied`, which names the scope that is missing. */
export function checkToolScope({ scopes }: ToolCaller, scope: Scope): void {
  if (scopes.has(scope)) return;
  throw new OrchestratorError(
    'PERMISSION_DENIED',
    'permission_denied',
    `This connection may only ${scopes.has('read') ? 'read' : 'look on'}: the tool needs the scope "${scope}".`,
    { details: { scope } },
  );
}

/** Error: `permission_denied` where it belongs to somebody else. */
export function checkOwned(caller: ToolCaller, owner: Principal, what: string): void {
  if (!mayTouch(caller.principal, owner)) throw permissionDenied(caller.principal, what);
}

/** As the owner of a terminal has it: a person is null. */
export function ownerOfSession({ owner }: Pick<Session, 'owner'>): Principal {
  return owner === 'user' ? null : owner;
}

/** What a client calls itself, as letters, digits, `.`, `_` and `-`. */
function clientId(name: string | undefined): string {
  const plain = plainText(name?.trim() ?? '').replace(/^-+|-+$/g, '');
  return plain === '' ? 'client' : plain;
}

/** The same of an identity. What has to be changed for that gets a mark, so that no two become the same. */
function identityId(name: string): string {
  // `token:ci`, `jwt:anna`: a colon would be a level of the owner's.
  const parted = name.replace(/^(token|jwt):/, '$1.');
  const plain = plainText(parted);
  return plain === parted ? plain : `${plain}~${createHash('sha256').update(name).digest('hex').slice(0, 8)}`;
}

function plainText(name: string): string {
  return name.replace(/[^\w.-]+/g, '-').slice(0, longestName);
}
