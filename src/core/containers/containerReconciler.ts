import { OrchestratorError } from '../../base/errors.ts';
import type { CoreContext } from '../context.ts';
import type { EngineContainerSummary } from '../ports/containerEngine.ts';
import { noResourceLimits } from '../resources.ts';
import { isSessionOpen, type Session } from '../sessions/session.ts';
import type { SessionManager } from '../sessions/sessionManager.ts';
import { type Container, type EngineClaim, isContainerLive } from './container.ts';
import { createContainer } from './containerChanges.ts';
import { containerParts } from './containerContext.ts';
import type { ContainerKeeper } from './containerKeeper.ts';
import { claimLabel, installationLabel, nameLabel, sessionLabel } from './containerLabels.ts';

/** A call that was under way when its core ended may still be carried out by the engine for so long. */
const claimLeaseMs = 5 * 60_000;
const batchSize = 8;

/**
 * Compares everything of ours that the engine has with what the store knows: on every new connection. What was being
 * made when a core ended was never given to anybody and is removed. What the store knows is looked at. What carries our
 * installation's label and is in no store (a broken one was moved aside) gets a place where a person sees it. What is
 * not ours is never listed.
 */
export class ContainerReconciler {
  private readonly context: CoreContext;
  private readonly sessions: SessionManager;
  private readonly keeper: ContainerKeeper;
  private running: Promise<void> | undefined;
  private next: Promise<void> | undefined;
  /** Claims of calls of this core. */
  private readonly underWay = new Set<string>();

  constructor(context: CoreContext, sessions: SessionManager, keeper: ContainerKeeper) {
    this.context = context;
    this.sessions = sessions;
    this.keeper = keeper;
  }

  /**
   * Writes down that something is about to be made, makes it, and lets `store` write down that it is there: that
   * transaction takes the claim away. Where the engine refused, so does this; where nobody knows, the claim stays for
   * the next comparison.
   */
  async claim<T>(
    kind: EngineClaim['kind'],
    sessionId: string,
    make: (claimId: string) => Promise<T>,
  ): Promise<T> {
    const { log, ids, clock } = this.context;
    const claim: EngineClaim = { id: ids.hexId(), kind, sessionId, createdAt: clock.now() };
    this.underWay.add(claim.id);
    try {
      log.commit((tx) => tx.put('engineClaim', claim));
      const made = await make(claim.id);
      this.dropClaim(claim.id);
      return made;
    } catch (error) {
      const { info } = containerParts(this.context).engine;
      const isUnknown = OrchestratorError.is(error) && error.code === 'UNAVAILABLE';
      // An engine that still answers has refused.
      if (info !== undefined && !isUnknown) this.dropClaim(claim.id);
      throw error;
    } finally {
      this.underWay.delete(claim.id);
    }
  }

  /** What is being made in the session right now. */
  claimsOf(sessionId: string, kind: EngineClaim['kind']): number {
    return [...this.context.state.engineClaims.values()].filter(
      (claim) => claim.sessionId === sessionId && claim.kind === kind && this.underWay.has(claim.id),
    ).length;
  }

  /** Whether a former core may have asked for something that is not there yet. */
  hasInheritedClaims(): boolean {
    return [...this.context.state.engineClaims.keys()].some((id) => !this.underWay.has(id));
  }

  /** One at a time: who asks meanwhile gets one that begins after. */
  reconcile(): Promise<void> {
    if (this.running === undefined) return this.begin();
    this.next ??= this.running
      .catch(() => undefined)
      .then(() => {
        this.next = undefined;
        return this.begin();
      });
    return this.next;
  }

  /**
   * One step of several that must not keep each other from being taken: what the engine refuses is reported. Error:
   * `container_engine_missing`, after which none of them makes sense.
   */
  async attempt(doing: string, action: () => Promise<unknown>): Promise<void> {
    try {
      await action();
    } catch (error) {
      if (OrchestratorError.is(error, 'container_engine_missing')) throw error;
      this.context.failures.report(error, doing);
    }
  }

  private begin(): Promise<void> {
    this.running = this.compare().finally(() => (this.running = undefined));
    return this.running;
  }

  private async compare(): Promise<void> {
    const { engine, installationId } = containerParts(this.context);
    const { state } = this.context;
    const ours = { [installationLabel]: installationId };
    const stored = [...state.containers.keys()];
    const listed = new Map((await engine.listContainers(ours)).map((each) => [each.id, each]));
    for (const each of listed.values()) {
      const claimId = each.labels[claimLabel] ?? '';
      if (state.containers.has(each.id) || this.underWay.has(claimId)) continue;
      await this.attempt(`take up the container ${each.name}`, async () => {
        if (!state.engineClaims.has(claimId)) return this.adopt(each);
        await engine.removeContainer(each.id);
        this.dropClaim(claimId);
      });
    }
    const changed = stored.filter((id) => this.mustLookAt(id, listed.get(id)));
    for (let index = 0; index < changed.length; index += batchSize) {
      await Promise.all(
        changed
          .slice(index, index + batchSize)
          .map((id) => this.attempt('look at a container', () => this.keeper.refresh(id))),
      );
    }
    await this.reconcileNetworks(ours);
    await this.reconcileVolumes(ours);
    this.forgetOld(listed);
  }

  private mustLookAt(id: string, listed: EngineContainerSummary | undefined): boolean {
    const container = this.context.state.containers.get(id);
    if (container === undefined) return false;
    return listed === undefined || isContainerLive(listed) || listed.state !== container.state;
  }

  private async adopt(summary: EngineContainerSummary): Promise<void> {
    const { id, labels, image, createdAt } = summary;
    const seen = await containerParts(this.context).engine.inspectContainer(id);
    if (seen === undefined) return;
    const session = await this.sessionOf(labels[sessionLabel]);
    const container: Container = {
      id,
      sessionId: session.id,
      name: labels[nameLabel] ?? summary.name,
      image,
      state: 'created',
      health: 'none',
      createdAt,
      config: {
        entrypoint: [],
        command: [],
        envNames: [],
        labels: {},
        mounts: [],
        ports: seen.ports,
        network: Object.keys(seen.addresses)[0] ?? 'none',
        networks: [],
        resources: noResourceLimits,
        restart: { name: 'no', maximumRetryCount: 0 },
        readOnlyRoot: false,
        removeOnStop: false,
        tty: seen.tty,
        openInput: false,
      },
      ports: [],
      addresses: {},
      warnings: [],
    };
    this.context.log.commit((tx) => {
      if (tx.get('container', id) === undefined) createContainer(tx, container);
    });
    this.context.logger.info(`Took over the container "${container.name}", which the store did not know`);
    await this.keeper.refresh(id);
  }

  private async sessionOf(id: string | undefined): Promise<Session> {
    const session = id === undefined ? undefined : this.sessions.find(id);
    if (session !== undefined && isSessionOpen(session)) return session;
    return this.sessions.ensureDefault(this.context.environment.homeDirectory());
  }

  /** Networks and volumes are the engine's to remember: what is ours of them goes with its session. */
  private async reconcileNetworks(ours: Readonly<Record<string, string>>): Promise<void> {
    const { engine } = containerParts(this.context);
    for (const { id, name, labels } of await engine.listNetworks(ours)) {
      if (!this.isLeftBehind(labels)) continue;
      await this.attempt(`remove the network ${name}`, () => engine.removeNetwork(id));
    }
  }

  private async reconcileVolumes(ours: Readonly<Record<string, string>>): Promise<void> {
    const { engine } = containerParts(this.context);
    for (const { name, labels } of await engine.listVolumes(ours)) {
      if (!this.isLeftBehind(labels)) continue;
      await this.attempt(`remove the volume ${name}`, () => engine.removeVolume(name));
    }
  }

  /** Never finished being made, or of a session that is closed. */
  private isLeftBehind(labels: Readonly<Record<string, string>>): boolean {
    const claimId = labels[claimLabel] ?? '';
    if (this.underWay.has(claimId)) return false;
    if (this.context.state.engineClaims.has(claimId)) return true;
    return this.sessions.find(labels[sessionLabel] ?? '')?.state === 'closed';
  }

  private forgetOld(listed: ReadonlyMap<string, EngineContainerSummary>): void {
    const { state, clock } = this.context;
    const { records } = containerParts(this.context);
    for (const claim of [...state.engineClaims.values()]) {
      if (clock.now() - claim.createdAt > claimLeaseMs && !this.underWay.has(claim.id)) {
        this.dropClaim(claim.id);
      }
    }
    for (const id of records.list()) {
      if (!state.containers.has(id) && !listed.has(id)) records.remove(id);
    }
  }

  private dropClaim(id: string): void {
    this.context.log.commit((tx) => {
      if (tx.get('engineClaim', id) !== undefined) tx.delete('engineClaim', id);
    });
  }
}
