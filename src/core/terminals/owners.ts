import { OrchestratorError } from '../../base/errors.ts';
import { checkText, invalidRequest } from '../text.ts';

/**
 * Owners of terminals (`managed_by`): ids such as `orchestrator:coordinator-001:codegen`, a tree whose levels are parted
 * by `:`. A person is no owner id but null.
 */
export type Principal = string | null;

const ownerLimit = 256;

/** First levels that only say what kind of owner it is. */
const kinds: ReadonlySet<string> = new Set(['orchestrator', 'mcp']);

/** How the audit log names who is no agent; no agent may take such a name. */
const reservedOwners: readonly string[] = ['user', 'system'];

/** Checks an owner id: 1 to 256 characters, no blanks and nothing invisible. Error: `invalid_request`. */
export function validOwner(owner: string): string {
  checkText(owner, 'The owner of a terminal');
  if (owner.length > ownerLimit) {
    throw invalidRequest(`The owner id of the terminal is too long: at most ${ownerLimit} characters.`);
  }
  if (!/^[^\s\p{C}]+$/u.test(owner)) {
    throw invalidRequest(
      'The owner of a terminal is an id without blanks, such as orchestrator:coordinator-1.',
    );
  }
  if (reservedOwners.includes(rootOwner(owner))) {
    throw invalidRequest(`No agent may be called ${rootOwner(owner)}: that is the name of who is no agent.`);
  }
  return owner;
}

/** Whether `owner` is `manager` or below it: `a:b` is below `a`, `ab` is not. */
export function isOwnedBy(
  owner: Principal,
  manager: string,
  options: { readonly exact?: boolean } = {},
): boolean {
  if (owner === null) return false;
  return owner === manager || (options.exact !== true && owner.startsWith(`${manager}:`));
}

/**
 * Whether the principal may see and use what belongs to `owner`: a person everything, an agent what it owns and what
 * is below it.
 */
export function mayTouch(principal: Principal, owner: Principal): boolean {
  return principal === null || isOwnedBy(owner, principal);
}

/** The agent at the top of an owner's tree: `orchestrator:coordinator-001:codegen` → `orchestrator:coordinator-001`. */
export function rootOwner(owner: string): string {
  const [first = owner, second] = owner.split(':');
  return kinds.has(first) && second !== undefined ? `${first}:${second}` : first;
}

/** How a principal is named in the log and in messages. */
export function principalName(principal: Principal): string {
  return principal ?? 'user';
}

export function permissionDenied(principal: Principal, what: string): OrchestratorError {
  return new OrchestratorError(
    'PERMISSION_DENIED',
    'permission_denied',
    `${principalName(principal)} may not touch ${what}: an agent reaches only what it or an agent below it owns.`,
    { details: { principal: principalName(principal) } },
  );
}
