import { OrchestratorError } from '../../base/errors.ts';
import type { CoreContext } from '../context.ts';
import type { EngineContainerSpec, EngineInfo } from '../ports/containerEngine.ts';
import { isSessionOpen, type Session } from '../sessions/session.ts';
import { touchSession } from '../sessions/sessionChanges.ts';
import type { SessionManager } from '../sessions/sessionManager.ts';
import type { Container, ContainerConfig, CreateContainerRequest } from './container.ts';
import { createContainer, newContainer } from './containerChanges.ts';
import { containerParts } from './containerContext.ts';
import { checkMounts, policyViolation } from './containerPolicy.ts';
import { containerSpec, nameOf } from './containerSpec.ts';
import type { EngineClaims } from './engineClaims.ts';
import type { SessionResources } from './sessionResources.ts';

export interface Specified {
  readonly spec: EngineContainerSpec;
  readonly config: ContainerConfig;
}

/** From a request to a container that is written down: what its session allows, then the claim, then the engine. */
export class ContainerCreation {
  private readonly context: CoreContext;
  private readonly sessions: SessionManager;
  private readonly claims: EngineClaims;
  private readonly resources: SessionResources;

  constructor(
    context: CoreContext,
    sessions: SessionManager,
    claims: EngineClaims,
    resources: SessionResources,
  ) {
    this.context = context;
    this.sessions = sessions;
    this.claims = claims;
    this.resources = resources;
  }

  /** Errors: see ContainerManager. What the session does not allow is told in the log, too. */
  async create(request: CreateContainerRequest, engine: EngineInfo): Promise<Container> {
    const session = this.openSession(request.sessionId);
    try {
      return await this.createIn(session, request, engine);
    } catch (error) {
      if (
        OrchestratorError.is(error, 'policy_violation') ||
        OrchestratorError.is(error, 'image_not_allowed')
      ) {
        const { message } = error;
        const scope = { sessionId: session.id, labels: session.labels };
        this.context.log.commit((tx) => tx.report('policy.violation', scope, { message }));
      }
      throw error;
    }
  }

  /**
   * What the session allows of a request, as far as the engine and the disk must be asked. The answer makes the
   * specification for a claim, and says what else is not allowed.
   */
  async examine(request: CreateContainerRequest, info: EngineInfo): Promise<(claimId: string) => Specified> {
    const session = this.sessions.getOpen(request.sessionId);
    const { environment, limits } = this.context;
    const { installationId, stateDirectory } = containerParts(this.context);
    const allow = request.allow ?? {};
    if (session.config.policy.requireApproval && allow.approved !== true) {
      throw policyViolation('Each container of this session must be approved by a person.', session);
    }
    const asksNetwork = [request.network ?? 'none', ...(request.networks ?? [])].some(
      (name) => name !== 'none',
    );
    const asksVolume = (request.mounts ?? []).some(({ type }) => type === 'volume');
    const [networks, volumes] = await Promise.all([
      asksNetwork ? this.resources.networks(session.id) : [],
      asksVolume ? this.resources.volumes(session.id) : [],
    ]);
    const rules = { session, allow, engine: info, environment, ownVolumes: namesOf(volumes) };
    const mounts = await checkMounts(request.mounts ?? [], rules);
    // It may have been closed while we looked at the disk.
    this.openSession(session.id);
    const ownNetworks = namesOf(networks);
    return (claimId) => {
      const own = { installationId, stateDirectory, claimId, ownNetworks };
      const input = { request, session, engine: info, limits, ...own };
      const { spec, config } = containerSpec(input);
      return { spec: { ...spec, mounts }, config: { ...config, mounts } };
    };
  }

  /** Contract 001. Error: `container_limit`. */
  checkRoom(session: Session): void {
    const { maxContainers } = session.config;
    const containers = [...this.context.state.containers.values()].filter(
      ({ sessionId }) => sessionId === session.id,
    );
    const count = containers.length + this.claims.countOf(session.id, 'container');
    if (maxContainers <= 0 || count < maxContainers) return;
    throw new OrchestratorError(
      'RESOURCE_EXHAUSTED',
      'container_limit',
      `maximum containers limit reached: ${maxContainers}`,
    );
  }

  private async createIn(
    session: Session,
    request: CreateContainerRequest,
    info: EngineInfo,
  ): Promise<Container> {
    const { log, clock } = this.context;
    const { engine } = containerParts(this.context);
    const specOf = await this.examine(request, info);
    this.checkRoom(session);
    return this.claims.make('container', session.id, async (claimId) => {
      const { spec, config } = specOf(claimId);
      const created = await engine.createContainer(spec);
      try {
        const container = newContainer(info, {
          id: created.id,
          sessionId: session.id,
          name: nameOf(spec),
          image: spec.image,
          config,
          createdAt: clock.now(),
          warnings: created.warnings,
        });
        return log.commit((tx) => {
          createContainer(tx, container, claimId);
          touchSession(tx, this.openSession(session.id), clock.now());
          return container;
        });
      } catch (error) {
        await engine.removeContainer(created.id);
        throw error;
      }
    });
  }

  /** In the words of contract 001. Errors: `session_not_found`, `session_closed`. */
  private openSession(id: string): Session {
    const session = this.sessions.get(id);
    if (isSessionOpen(session)) return session;
    throw new OrchestratorError(
      'FAILED_PRECONDITION',
      'session_closed',
      'cannot add container to closed session',
    );
  }
}

/** The engine's names by those for people. */
function namesOf(
  own: readonly { readonly name: string; readonly engineName: string }[],
): ReadonlyMap<string, string> {
  return new Map(own.map(({ name, engineName }) => [name, engineName]));
}
