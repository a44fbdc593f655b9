import type { Orchestrator } from '../../../core/orchestrator.ts';
import { Health, Status } from '../../../protocol/gen/common/v1/common.ts';
import { OrchestratorServiceDefinition } from '../../../protocol/gen/orchestrator/v1/orchestrator.ts';
import { implement, type ServiceImplementation } from '../rpcHandlers.ts';
import { dateOf } from './values.ts';

export interface ServerFacts {
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly now: () => number;
}

/** What the product is made of, as far as a client may ask for its health. */
const subsystems = ['session_manager', 'event_bus', 'terminal_manager', 'run_manager'];

export function orchestratorService(orchestrator: Orchestrator, facts: ServerFacts): ServiceImplementation {
  const { sessions } = orchestrator;
  return implement(OrchestratorServiceDefinition, {
    healthCheck: () => ({
      health: orchestrator.isReady ? Health.HEALTH_HEALTHY : Health.HEALTH_UNHEALTHY,
      version: facts.version,
      subsystems,
    }),
    getStatus: () => ({
      status: orchestrator.isReady ? Status.STATUS_RUNNING : Status.STATUS_STOPPING,
      activeSessions: sessions.list().filter(({ state }) => state === 'active' || state === 'idle').length,
      activeContainers: 0,
      startedAt: dateOf(facts.startedAt),
      // The contract has a point in time here: so long after the epoch as the server runs.
      uptime: dateOf(facts.now() - facts.startedAt),
    }),
  });
}
