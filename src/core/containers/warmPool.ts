import type { Disposable } from '../../base/disposable.ts';
import type { CoreContext } from '../context.ts';
import type { EngineInfo, EngineInput } from '../ports/containerEngine.ts';
import { isSessionOpen } from '../sessions/session.ts';
import { touchSession } from '../sessions/sessionChanges.ts';
import type { SessionManager } from '../sessions/sessionManager.ts';
import type { Container, CreateContainerRequest } from './container.ts';
import { createContainer, newContainer } from './containerChanges.ts';
import { containerParts } from './containerContext.ts';
import type { ContainerCreation } from './containerCreation.ts';
import { nameOf } from './containerSpec.ts';
import type { ContainerKeeper } from './containerKeeper.ts';
import type { EngineClaims } from './engineClaims.ts';
import { isPoolable, programOf, shapeOf, startScript, waitingSpec } from './warmStart.ts';

/** In all, of every session: each takes memory and a place in the engine's list. */
const totalLimit = 8;
/** Later than the use that it follows, so as not to take the processor from what has just begun. */
const fillDelayMs = 250;
const closeLimitMs = 2_000;

/** Containers of one session that differ in nothing but what they are told when they are used. */
interface Shape {
  readonly key: string;
  readonly sessionId: string;
  /** Without what is told later. */
  readonly request: CreateContainerRequest;
  readonly imageId: string;
  readonly ready: WarmContainer[];
  /** Ends once what was made for it is used or removed. */
  readonly lives: Set<Promise<void>>;
  filling: number;
  /** One could not be made, for want of a shell perhaps: no other is tried until the shape is forgotten. */
  isHopeless: boolean;
  fill: Disposable | undefined;
  expiry: Disposable | undefined;
}

interface WarmContainer {
  readonly id: string;
  readonly claimId: string;
  readonly input: EngineInput;
  readonly warnings: readonly string[];
  finish(isUsed: boolean): void;
}

/**
 * Containers that are started already, and paused: a shell waits in each to be told what to become. One belongs to one
 * session from the beginning, is used once, and is removed if nobody comes. Until it is used it is nothing but a claim:
 * what a core leaves of them, the next one removes.
 */
export class WarmPool implements Disposable {
  private readonly context: CoreContext;
  private readonly sessions: SessionManager;
  private readonly claims: EngineClaims;
  private readonly creation: ContainerCreation;
  private readonly keeper: ContainerKeeper;
  private readonly connect: () => Promise<EngineInfo>;
  /** By key, the one that was used last at the end. */
  private readonly shapes = new Map<string, Shape>();
  private isDisposed = false;

  constructor(
    context: CoreContext,
    sessions: SessionManager,
    parts: {
      readonly claims: EngineClaims;
      readonly creation: ContainerCreation;
      readonly keeper: ContainerKeeper;
      readonly connect: () => Promise<EngineInfo>;
    },
  ) {
    this.context = context;
    this.sessions = sessions;
    this.claims = parts.claims;
    this.creation = parts.creation;
    this.keeper = parts.keeper;
    this.connect = parts.connect;
  }

  /** Whether none waits and none is being made or removed. */
  get isEmpty(): boolean {
    return [...this.shapes.values()].every(({ lives }) => lives.size === 0);
  }

  /** How many wait to be used. */
  get size(): number {
    return [...this.shapes.values()].reduce((sum, { ready }) => sum + ready.length, 0);
  }

  /**
   * A container that runs what was asked for; undefined where none was ready, or whatever went wrong: then it is made as
   * any other, and the errors are those of that. From the first request of a kind on, the next one finds one.
   */
  async take(request: CreateContainerRequest): Promise<Container | undefined> {
    if (this.isDisposed || this.context.limits.warmContainers === 0 || !isPoolable(request)) return undefined;
    try {
      return await this.takeReady(request);
    } catch (error) {
      this.context.logger.info('No warm container could be used', error);
      return undefined;
    }
  }

  /** Of a session that is being closed. */
  async removeAllOf(sessionId: string): Promise<void> {
    const own = [...this.shapes.values()].filter((shape) => shape.sessionId === sessionId);
    await Promise.all(own.map((shape) => this.forget(shape)));
  }

  /** Removes all of them, as far as the engine does it within 2 s; the rest is left to the next core. */
  async close(): Promise<void> {
    const removed = Promise.all([...this.shapes.values()].map((shape) => this.forget(shape)));
    const limit = Promise.withResolvers<undefined>();
    const timer = this.context.clock.setTimer(closeLimitMs, () => limit.resolve(undefined));
    await Promise.race([removed, limit.promise]);
    timer.dispose();
    this.dispose();
  }

  dispose(): void {
    this.isDisposed = true;
    for (const { fill, expiry } of this.shapes.values()) {
      fill?.dispose();
      expiry?.dispose();
    }
    this.shapes.clear();
  }

  private async takeReady(request: CreateContainerRequest): Promise<Container | undefined> {
    const info = await this.connect();
    const specOf = await this.creation.examine(request, info);
    const image = await containerParts(this.context).engine.inspectImage(request.image.trim());
    const program = image === undefined ? undefined : programOf(request, image);
    if (image === undefined || program === undefined) return undefined;
    const { spec, config } = specOf('');
    const shape = this.note(shapeOf(request.sessionId, image.id, spec), request, image.id);
    this.creation.checkRoom(this.sessions.getOpen(request.sessionId));
    const warm = shape.ready.shift();
    this.fillLater(shape);
    if (warm === undefined) return undefined;
    // From here on it counts as one that the session has.
    this.claims.turnInto('container', warm.claimId);
    const { clock } = this.context;
    const container = newContainer(info, {
      id: warm.id,
      sessionId: request.sessionId,
      name: nameOf(spec),
      image: spec.image,
      config: { ...config, isWarm: true },
      createdAt: clock.now(),
      warnings: warm.warnings,
    });
    return this.use(warm, container, startScript(program, request.env ?? {}));
  }

  private async use(warm: WarmContainer, container: Container, script: string): Promise<Container> {
    const { log, clock, state } = this.context;
    const { engine, records } = containerParts(this.context);
    try {
      await engine.unpauseContainer(warm.id);
      await this.keeper.attach(container);
      await warm.input.write(new TextEncoder().encode(script));
      log.commit((tx) => {
        createContainer(tx, container, warm.claimId);
        touchSession(tx, this.sessions.getOpen(container.sessionId), clock.now());
      });
    } catch (error) {
      this.keeper.detach(warm.id);
      records.remove(warm.id);
      warm.finish(false);
      throw error;
    }
    try {
      await this.keeper.refresh(warm.id);
    } finally {
      warm.finish(true);
    }
    return state.containers.get(warm.id) ?? container;
  }

  /** The shape of a request, which was used just now. */
  private note(key: string, request: CreateContainerRequest, imageId: string): Shape {
    const known = this.shapes.get(key);
    const shape: Shape = known ?? {
      key,
      sessionId: request.sessionId,
      request: { ...request, command: [], entrypoint: [], env: {}, labels: {} },
      imageId,
      ready: [],
      lives: new Set(),
      filling: 0,
      isHopeless: false,
      fill: undefined,
      expiry: undefined,
    };
    this.shapes.delete(key);
    this.shapes.set(key, shape);
    shape.expiry?.dispose();
    shape.expiry = this.context.clock.setTimer(this.context.limits.warmIdleMs, () => {
      void this.forget(shape);
    });
    return shape;
  }

  private fillLater(shape: Shape): void {
    shape.fill?.dispose();
    shape.fill = this.context.clock.setTimer(fillDelayMs, () => {
      while (this.hasRoom(shape)) this.fill(shape);
    });
  }

  private hasRoom(shape: Shape): boolean {
    if (!this.isWanted(shape) || shape.isHopeless) return false;
    if (shape.ready.length + shape.filling >= this.context.limits.warmContainers) return false;
    const all = [...this.shapes.values()];
    if (all.reduce((sum, { ready, filling }) => sum + ready.length + filling, 0) < totalLimit) return true;
    // In place of what was used longest ago.
    const oldest = all.find((other) => other !== shape && other.ready.length > 0);
    oldest?.ready.shift()?.finish(false);
    return oldest !== undefined;
  }

  private isWanted(shape: Shape): boolean {
    const session = this.sessions.find(shape.sessionId);
    return this.shapes.get(shape.key) === shape && session !== undefined && isSessionOpen(session);
  }

  private fill(shape: Shape): void {
    shape.filling += 1;
    let isFilling = true;
    const filled = (): void => {
      if (isFilling) shape.filling -= 1;
      isFilling = false;
    };
    const life = this.live(shape, filled)
      .catch((error: unknown) => {
        // Nobody waits for it: what is asked for is made without it.
        if (isFilling) shape.isHopeless = true;
        this.context.logger.info(`No warm container could be made or removed: ${String(error)}`);
      })
      .finally(() => {
        filled();
        shape.lives.delete(life);
      });
    shape.lives.add(life);
  }

  /** From its making to its use or removal. */
  private async live(shape: Shape, filled: () => void): Promise<void> {
    const { engine } = containerParts(this.context);
    const specOf = await this.creation.examine(shape.request, await this.connect());
    await this.claims.make('warm', shape.sessionId, async (claimId) => {
      const { id, warnings } = await engine.createContainer(waitingSpec(specOf(claimId).spec, shape.imageId));
      let input: EngineInput | undefined;
      let isUsed = false;
      try {
        await engine.startContainer(id);
        // Docker attaches to no paused container.
        input = await engine.openInput(id);
        await engine.pauseContainer(id);
        filled();
        if (this.isWanted(shape)) {
          const end = Promise.withResolvers<boolean>();
          shape.ready.push({ id, claimId, input, warnings, finish: end.resolve });
          isUsed = await end.promise;
        }
      } finally {
        input?.dispose();
        if (!isUsed) await engine.removeContainer(id);
      }
    });
  }

  /** Resolves when nothing of it is left. */
  private async forget(shape: Shape): Promise<void> {
    this.shapes.delete(shape.key);
    shape.fill?.dispose();
    shape.expiry?.dispose();
    for (const warm of shape.ready.splice(0)) warm.finish(false);
    await Promise.all(shape.lives);
  }
}
