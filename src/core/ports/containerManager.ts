import type { Container, ContainerConfig, ContainerFilter } from '../containers/container.ts';

/**
 * The containers of the sessions. Whoever implements it checks a new one against its session first
 * (`checkContainer`), and reports what becomes of each by events. Errors of all: `container_engine_missing`, those of
 * the engine.
 */
export interface ContainerManager {
  /**
   * Makes a container and starts it. Errors: `session_not_found`, those of `checkContainer`, `invalid_request`.
   */
  create(sessionId: string, config: ContainerConfig): Promise<Container>;
  /** Error: `container_not_found`. */
  get(id: string): Promise<Container>;
  /** In the order of their creation. */
  list(filter?: ContainerFilter): Promise<readonly Container[]>;
  /** Asks it to end, and ends it by force after `timeoutMs` (10 s when missing). Error: `container_not_found`. */
  stop(id: string, timeoutMs?: number): Promise<Container>;
  /** A running one only with `force`. Error: `container_not_found`. */
  remove(id: string, options?: { readonly force?: boolean | undefined }): Promise<void>;
}
