import type { LogTransaction } from '../events/logTransaction.ts';
import type { EngineInfo } from '../ports/containerEngine.ts';
import type { Container } from './container.ts';

/** The changes of a container, each with its event, for transactions of any manager. */

/** What is known of one that was just made, or found, before it was looked at. @param engine that has it */
export function newContainer(
  engine: EngineInfo | undefined,
  facts: Pick<Container, 'id' | 'sessionId' | 'name' | 'image' | 'config' | 'createdAt' | 'warnings'>,
): Container {
  return {
    ...facts,
    engine: engine && { id: engine.id, address: engine.address },
    state: 'created',
    health: 'none',
    ports: [],
    addresses: {},
  };
}

export function createContainer(tx: LogTransaction, container: Container, claimId?: string): void {
  const { name, image } = container;
  if (claimId !== undefined) tx.delete('engineClaim', claimId);
  tx.put('container', container);
  tx.report('container.created', scopeOf(container), { name, image });
}

/** Tells of what has changed: a start, an end, or anything else of what is known of it. */
export function updateContainer(tx: LogTransaction, before: Container, after: Container): void {
  if (JSON.stringify(before) === JSON.stringify(after)) return;
  const { name, image, state, health, exit } = after;
  tx.put('container', after);
  const hasStarted = after.startedAt !== undefined && after.startedAt !== before.startedAt;
  const hasEnded = exit !== undefined && exit.exitedAt !== before.exit?.exitedAt;
  if (hasStarted) tx.report('container.started', scopeOf(after), { name, image });
  if (hasEnded) {
    const { exitCode: exit_code, reason } = exit;
    tx.report('container.stopped', scopeOf(after), { name, exit_code, reason });
    if (reason === 'out_of_memory' || reason === 'start_failed' || reason === 'lost') {
      const error = exit.error ?? (reason === 'out_of_memory' ? 'It ran out of memory.' : 'It is gone.');
      tx.report('container.error', scopeOf(after), { name, reason, error });
    }
  }
  if (!hasStarted && !hasEnded) tx.report('container.updated', scopeOf(after), { name, state, health });
}

export function removeContainer(tx: LogTransaction, container: Container): void {
  tx.delete('container', container.id);
  tx.report('container.removed', scopeOf(container), { name: container.name });
}

function scopeOf({ id, sessionId }: Container): { readonly sessionId: string; readonly containerId: string } {
  return { sessionId, containerId: id };
}
