import type { CoreContext } from '../context.ts';
import type { CoreEventData } from '../events/event.ts';
import type { EngineContainerSummary } from '../ports/containerEngine.ts';
import { noResourceLimits } from '../resources.ts';
import { isSessionOpen, type Session } from '../sessions/session.ts';
import type { SessionManager } from '../sessions/sessionManager.ts';
import { isContainerLive } from './container.ts';
import { createContainer, newContainer } from './containerChanges.ts';
import type { ContainerCommands } from './containerCommands.ts';
import { attempt, containerParts, isElsewhere } from './containerContext.ts';
import type { ContainerKeeper } from './containerKeeper.ts';
import {
  claimLabel,
  installationLabel,
  nameLabel,
  sessionLabel,
  stateDirectoryLabel,
} from './containerLabels.ts';
import type { EngineClaims } from './engineClaims.ts';

const batchSize = 8;

type Cleanup = CoreEventData['container.cleanup'];

/**
 * Compares everything of ours that the engine has with what the store knows: on every new connection, and again and
 * again after it. What was being made when a core ended was never given to anybody and is removed. What the store knows
 * is looked at. What carries our installation's label and is in no store (a broken one was moved aside) gets a place
 * where a person sees it. What is not ours is never listed. One thing that cannot be cleaned up hinders no other.
 */
export class ContainerReconciler {
  private readonly context: CoreContext;
  private readonly sessions: SessionManager;
  private readonly keeper: ContainerKeeper;
  private readonly claims: EngineClaims;
  private readonly commands: ContainerCommands;
  private running: Promise<void> | undefined;
  private next: Promise<void> | undefined;
  private hasSoughtAbandoned = false;
  /** What was told in the log: the engine may list a thing again that it is removing. */
  private readonly told = new Set<string>();

  constructor(
    context: CoreContext,
    sessions: SessionManager,
    parts: {
      readonly keeper: ContainerKeeper;
      readonly claims: EngineClaims;
      readonly commands: ContainerCommands;
    },
  ) {
    this.context = context;
    this.sessions = sessions;
    this.keeper = parts.keeper;
    this.claims = parts.claims;
    this.commands = parts.commands;
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

  private begin(): Promise<void> {
    this.running = this.compare().finally(() => (this.running = undefined));
    return this.running;
  }

  private async compare(): Promise<void> {
    const { engine, installationId, records } = containerParts(this.context);
    const { state } = this.context;
    const ours = { [installationLabel]: installationId };
    const stored = [...state.containers.keys()];
    const recorded = records.list();
    const listed = new Map((await engine.listContainers(ours)).map((each) => [each.id, each]));
    for (const each of listed.values()) {
      if (state.containers.has(each.id) || this.claims.isUnderWay(each.labels[claimLabel] ?? '')) continue;
      await attempt(this.context, `clean up the container ${each.name}`, () => this.settle(each));
    }
    const changed = stored.filter((id) => this.mustLookAt(id, listed.get(id)));
    for (let index = 0; index < changed.length; index += batchSize) {
      const batch = changed.slice(index, index + batchSize);
      await Promise.all(
        batch.map((id) => attempt(this.context, 'look at a container', () => this.keeper.refresh(id))),
      );
    }
    await this.commands.endInherited();
    const used = new Set([...listed.values()].map(({ labels }) => labels[sessionLabel] ?? ''));
    await this.reconcileNetworks(ours, used);
    await this.reconcileVolumes(ours);
    this.claims.dropOld();
    await this.seekAbandoned();
    for (const id of recorded) if (!state.containers.has(id) && !listed.has(id)) records.remove(id);
  }

  private mustLookAt(id: string, listed: EngineContainerSummary | undefined): boolean {
    const container = this.context.state.containers.get(id);
    if (container === undefined || isElsewhere(this.context, container)) return false;
    if (listed?.state !== container.state) return true;
    return isContainerLive(listed) && !this.keeper.isHeard(id);
  }

  /** One that the store does not know. */
  private async settle(summary: EngineContainerSummary): Promise<void> {
    const { id, name, labels } = summary;
    const reason = this.reasonToRemove(labels);
    const session = this.sessions.find(labels[sessionLabel] ?? '');
    const isClosing = session !== undefined && !isSessionOpen(session);
    if (reason === undefined && !isClosing) {
      await this.adopt(summary);
      return;
    }
    await containerParts(this.context).engine.removeContainer(id);
    this.tell(id, labels, { kind: 'container', name, reason: reason ?? 'session_closed', removed: true });
  }

  private async adopt(summary: EngineContainerSummary): Promise<void> {
    const { id, labels, image, createdAt } = summary;
    const { engine } = containerParts(this.context);
    const seen = await engine.inspectContainer(id);
    if (seen === undefined) return;
    const session = await this.sessionOf(labels[sessionLabel]);
    const container = newContainer(engine.info, {
      id,
      sessionId: session.id,
      name: labels[nameLabel] ?? summary.name,
      image,
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
      warnings: [],
    });
    this.context.log.commit((tx) => {
      if (tx.get('container', id) === undefined) createContainer(tx, container);
    });
    this.context.logger.info(`Took over the container "${container.name}", which the store did not know`);
    await this.keeper.refresh(id);
  }

  private async sessionOf(id: string | undefined): Promise<Session> {
    const session = id === undefined ? undefined : this.sessions.find(id);
    if (session !== undefined && isSessionOpen(session)) return session;
    return this.sessions.ensureDefault(this.context.environment.defaultDirectory());
  }

  /**
   * Networks and volumes are the engine's to remember: what is ours of them goes with its session. A network of a
   * session that no store knows holds nothing once no container of the session is there.
   */
  private async reconcileNetworks(
    ours: Readonly<Record<string, string>>,
    usedSessions: ReadonlySet<string>,
  ): Promise<void> {
    const { engine } = containerParts(this.context);
    for (const { id, name, labels } of await engine.listNetworks(ours)) {
      const sessionId = labels[sessionLabel] ?? '';
      const isUnknown = this.sessions.find(sessionId) === undefined && !usedSessions.has(sessionId);
      const reason = this.reasonToRemove(labels) ?? (isUnknown ? 'session_unknown' : undefined);
      if (reason === undefined || this.claims.isUnderWay(labels[claimLabel] ?? '')) continue;
      await attempt(this.context, `remove the network ${name}`, async () => {
        await engine.removeNetwork(id);
        this.tell(id, labels, { kind: 'network', name, reason, removed: true });
      });
    }
  }

  /** What is in a volume may be precious: one of a session that no store knows is named, and kept. */
  private async reconcileVolumes(ours: Readonly<Record<string, string>>): Promise<void> {
    const { engine } = containerParts(this.context);
    for (const { name, labels } of await engine.listVolumes(ours)) {
      const reason = this.reasonToRemove(labels);
      if (this.claims.isUnderWay(labels[claimLabel] ?? '')) continue;
      if (reason !== undefined) {
        await attempt(this.context, `remove the volume ${name}`, async () => {
          await engine.removeVolume(name);
          this.tell(name, labels, { kind: 'volume', name, reason, removed: true });
        });
      } else if (this.sessions.find(labels[sessionLabel] ?? '') === undefined) {
        this.tell(name, labels, { kind: 'volume', name, reason: 'session_unknown', removed: false });
      }
    }
  }

  /**
   * Once a core: containers of another installation on this machine whose state directory is no more, so that no core
   * will ever come for them. They are not ours to remove, but nobody else would name them.
   */
  private async seekAbandoned(): Promise<void> {
    const { engine, installationId } = containerParts(this.context);
    if (this.hasSoughtAbandoned || engine.info?.isLocal !== true) return;
    this.hasSoughtAbandoned = true;
    const { environment, logger } = this.context;
    for (const { id, name, labels } of await engine.listContainers({ [installationLabel]: '' })) {
      const path = labels[stateDirectoryLabel];
      if (path === undefined || labels[installationLabel] === installationId) continue;
      if ((await environment.realPath(path)) !== undefined) continue;
      logger.warn(
        `The container ${name} (${id}) is of the state directory ${path}, which is no more. It is left as it is.`,
      );
      this.tell(id, {}, { kind: 'container', name, reason: 'state_directory_missing', removed: false });
    }
  }

  /** Never finished being made, or of a session that is closed. */
  private reasonToRemove(labels: Readonly<Record<string, string>>): Cleanup['reason'] | undefined {
    if (this.context.state.engineClaims.has(labels[claimLabel] ?? '')) return 'unfinished';
    return this.sessions.find(labels[sessionLabel] ?? '')?.state === 'closed' ? 'session_closed' : undefined;
  }

  private tell(id: string, labels: Readonly<Record<string, string>>, cleanup: Cleanup): void {
    if (this.told.has(id)) return;
    this.told.add(id);
    const sessionId = this.sessions.find(labels[sessionLabel] ?? '')?.id;
    this.context.log.commit((tx) => tx.report('container.cleanup', { sessionId }, cleanup));
  }
}
