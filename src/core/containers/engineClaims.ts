import { OrchestratorError } from '../../base/errors.ts';
import type { CoreContext } from '../context.ts';
import type { CommandClaim, EngineClaim } from './container.ts';
import { containerParts } from './containerContext.ts';

/** A call that was under way when its core ended may still be carried out by the engine for so long. */
const claimLeaseMs = 5 * 60_000;

/** The ledger of what is being made at the engine: written before, taken away with what was made, or found by the next core. */
export class EngineClaims {
  private readonly context: CoreContext;
  /** Claims of calls of this core. */
  private readonly underWay = new Set<string>();

  constructor(context: CoreContext) {
    this.context = context;
  }

  /**
   * Writes down that something is about to be made, and makes it: where the engine's thing needs a place in the store,
   * the transaction that stores it takes the claim away. Where the engine refused, so does this; where nobody knows
   * whether something was made, the claim stays for the next comparison.
   */
  async make<T>(
    kind: EngineClaim['kind'],
    sessionId: string,
    make: (claimId: string) => Promise<T>,
  ): Promise<T> {
    const { id } = this.begin(kind, sessionId);
    try {
      const made = await make(id);
      this.drop(id);
      return made;
    } catch (error) {
      this.fail(id, error);
      throw error;
    } finally {
      this.leave(id);
    }
  }

  /** Writes it down. It is this core's until it is dropped or left. */
  begin(kind: EngineClaim['kind'], sessionId: string, command?: CommandClaim): EngineClaim {
    const { log, ids, clock } = this.context;
    const claim: EngineClaim = { id: ids.hexId(), kind, sessionId, createdAt: clock.now(), command };
    log.commit((tx) => tx.put('engineClaim', claim));
    this.underWay.add(claim.id);
    return claim;
  }

  /** From now on it counts as of that kind. */
  turnInto(kind: EngineClaim['kind'], id: string): void {
    this.context.log.commit((tx) => {
      const claim = tx.get('engineClaim', id);
      if (claim !== undefined) tx.put('engineClaim', { ...claim, kind });
    });
  }

  /** It was made and is stored or gone, or was never made. */
  drop(id: string): void {
    this.underWay.delete(id);
    this.context.log.commit((tx) => {
      if (tx.get('engineClaim', id) !== undefined) tx.delete('engineClaim', id);
    });
  }

  /** An engine that still answers has refused; of one that does not, or that failed in the middle, nobody knows. */
  fail(id: string, error: unknown): void {
    const isUnclear =
      OrchestratorError.is(error) && (error.code === 'UNAVAILABLE' || error.code === 'INTERNAL');
    if (containerParts(this.context).engine.info !== undefined && !isUnclear) this.drop(id);
    this.leave(id);
  }

  /** To the next comparison, as if its core had ended. */
  leave(id: string): void {
    this.underWay.delete(id);
  }

  /** What is being made in the session right now. */
  countOf(sessionId: string, kind: EngineClaim['kind']): number {
    return [...this.context.state.engineClaims.values()].filter(
      (claim) => claim.sessionId === sessionId && claim.kind === kind && this.underWay.has(claim.id),
    ).length;
  }

  isUnderWay(id: string): boolean {
    return this.underWay.has(id);
  }

  /** Of calls of former cores, and of those whose outcome nobody knows. */
  inherited(): EngineClaim[] {
    return [...this.context.state.engineClaims.values()].filter(({ id }) => !this.underWay.has(id));
  }

  /**
   * A claim is kept for its lease even when what it was for was removed: the engine lists what it is still making, and
   * says of it that it is not there when it is to be removed.
   */
  dropOld(): void {
    const now = this.context.clock.now();
    for (const { id, kind, createdAt } of this.inherited()) {
      if (kind !== 'command' && now - createdAt > claimLeaseMs) this.drop(id);
    }
  }
}
