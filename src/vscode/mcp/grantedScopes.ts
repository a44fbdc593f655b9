import type { Scope } from '../../protocol/daemon/handshake.ts';

/** What language models of this window may do: everything but what others started. */
export const grantedScopes: ReadonlySet<Scope> = new Set(['read', 'drive']);
