import { OrchestratorError } from '../../base/errors.ts';
import type { Scope } from '../../protocol/daemon/handshake.ts';

/** Whoever has shown a token: known from it alone, never from what a request says of itself. */
export interface Caller {
  /** For limits and the audit: `token`, the name of a further token, the subject of a JWT. Never the token. */
  readonly name: string;
  readonly scopes: ReadonlySet<Scope>;
  /** Milliseconds since the epoch; missing where it does not end. */
  readonly expiresAt?: number | undefined;
}

/** What a request brought along; a door reads it from where it stands. */
export interface Credentials {
  /** From `Authorization: Bearer`, `x-api-key`, a subprotocol, the frame `auth`, or the query where that is allowed. */
  readonly token: string | undefined;
  /** The other end's address, for the limit of failures. */
  readonly remoteAddress: string;
}

export interface Authenticator {
  /**
   * Errors: `unauthenticated`, whose message is one of the contract's reasons (contract 002, section 5:
   * `credentials_missing`, `api_key_invalid`, `jwt_expired` …); `permission_denied` (429 over HTTP) after too many
   * failures from there. Each failure is audited.
   */
  authenticate(credentials: Credentials): Promise<Caller>;
}

/** Error: `permission_denied`, which names the scope that is missing. */
export function checkScope(caller: Caller, scope: Scope): void {
  if (caller.scopes.has(scope)) return;
  throw new OrchestratorError(
    'PERMISSION_DENIED',
    'permission_denied',
    `This token may not do that: it needs the scope "${scope}".`,
    { details: { scope } },
  );
}
