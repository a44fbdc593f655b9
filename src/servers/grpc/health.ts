import { Bell } from '../../base/bell.ts';
import { type Disposable } from '../../base/disposable.ts';
import { Emitter } from '../../base/emitter.ts';
import { OrchestratorError } from '../../base/errors.ts';
import {
  HealthCheckResponse_ServingStatus as ServingStatus,
  HealthDefinition,
  type HealthCheckResponse,
} from '../../protocol/gen/grpc/health/v1/health.ts';
import { implement, type ServiceImplementation } from './rpcHandlers.ts';

/**
 * Whether the server serves, for the standard health service: as a whole (the empty name), and by the full and the
 * short name of each service (`orchestrator.v1.OrchestratorService`, `orchestrator`).
 */
export class Health implements Disposable {
  readonly service: ServiceImplementation;
  private readonly names: ReadonlySet<string>;
  private readonly changed = new Emitter<void>();
  private isServing = false;
  private isClosed = false;

  constructor(names: Iterable<string>) {
    this.names = new Set(['', ...names]);
    this.service = implement(HealthDefinition, {
      check: ({ service }) => this.check(service),
      watch: ({ service }, { signal }) => this.watch(service, signal),
    });
  }

  setServing(isServing: boolean): void {
    if (this.isServing === isServing || this.isClosed) return;
    this.isServing = isServing;
    this.changed.fire();
  }

  /** For good. From here on every name is not serving. */
  dispose(): void {
    this.setServing(false);
    this.isClosed = true;
    this.changed.dispose();
  }

  private check(service: string): HealthCheckResponse {
    const status = this.statusOf(service);
    if (status !== ServingStatus.SERVICE_UNKNOWN) return { status };
    throw new OrchestratorError('NOT_FOUND', 'invalid_request', 'unknown service');
  }

  private async *watch(
    service: string,
    signal: AbortSignal,
  ): AsyncGenerator<HealthCheckResponse, void, undefined> {
    const bell = new Bell();
    const onChange = (): void => bell.ring();
    const subscription = this.changed.event(onChange);
    signal.addEventListener('abort', onChange);
    try {
      let told: ServingStatus | undefined;
      while (!signal.aborted) {
        const status = this.statusOf(service);
        if (status !== told) {
          told = status;
          yield { status };
        } else {
          await bell.heard();
        }
      }
    } finally {
      subscription.dispose();
      signal.removeEventListener('abort', onChange);
    }
  }

  private statusOf(service: string): ServingStatus {
    if (this.isClosed) return ServingStatus.NOT_SERVING;
    if (!this.names.has(service)) return ServingStatus.SERVICE_UNKNOWN;
    return this.isServing ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
  }
}
