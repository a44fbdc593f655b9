import { OrchestratorError } from '../../base/errors.ts';
import type { CoreContext } from '../context.ts';
import type { EngineInfo } from '../ports/containerEngine.ts';
import type { SessionManager } from '../sessions/sessionManager.ts';
import { invalidRequest, validName } from '../text.ts';
import { attempt, containerParts } from './containerContext.ts';
import { engineName, installationLabel, nameLabel, ownLabels, sessionLabel } from './containerLabels.ts';
import { policyViolation } from './containerPolicy.ts';
import type { EngineClaims } from './engineClaims.ts';

/** A network of a session's own. */
export interface SessionNetwork {
  readonly id: string;
  /** Within the session. */
  readonly name: string;
  readonly engineName: string;
  readonly sessionId: string;
  /** The engine's machine, as containers of this network see it. */
  readonly gateway: string | undefined;
}

/** A volume of a session's own. */
export interface SessionVolume {
  /** Within the session. */
  readonly name: string;
  readonly engineName: string;
  readonly sessionId: string;
}

/** Networks and volumes of sessions. The engine remembers them; they go when their session is closed. */
export class SessionResources {
  private readonly context: CoreContext;
  private readonly sessions: SessionManager;
  private readonly claims: EngineClaims;
  private readonly ready: () => Promise<EngineInfo>;

  constructor(
    context: CoreContext,
    sessions: SessionManager,
    claims: EngineClaims,
    ready: () => Promise<EngineInfo>,
  ) {
    this.context = context;
    this.sessions = sessions;
    this.claims = claims;
    this.ready = ready;
  }

  /**
   * A network that only the session's containers join; `isInternal` without a way out of it, which every session may
   * have. Errors: `policy_violation`, `invalid_request` (the name, or it is taken).
   */
  async createNetwork(
    sessionId: string,
    name: string,
    options: { readonly isInternal: boolean },
  ): Promise<SessionNetwork> {
    const session = this.sessions.getOpen(sessionId);
    const clean = validResourceName(name);
    if (!options.isInternal && !session.config.policy.allowNetwork) {
      throw policyViolation('This session allows no network with a way out. Make an internal one.', session);
    }
    await this.ready();
    if ((await this.networks(sessionId)).some((network) => network.name === clean)) throw taken(clean);
    const { engine, installationId } = containerParts(this.context);
    await this.claims.make('network', sessionId, (claimId) =>
      engine.createNetwork({
        name: engineName(clean, claimId),
        isInternal: options.isInternal,
        labels: ownLabels({ installationId, sessionId, claimId, name: clean }),
      }),
    );
    const made = (await this.networks(sessionId)).find((network) => network.name === clean);
    if (made !== undefined) return made;
    throw new OrchestratorError('ABORTED', 'container_engine_failed', `The network ${clean} was removed.`);
  }

  async networks(sessionId: string): Promise<SessionNetwork[]> {
    await this.ready();
    const networks = await containerParts(this.context).engine.listNetworks(this.labelsOf(sessionId));
    return networks.map(({ id, name, labels, gateway }) => ({
      id,
      name: labels[nameLabel] ?? name,
      engineName: name,
      sessionId,
      gateway,
    }));
  }

  /** Error: `container_engine_failed` while containers are in it. */
  async removeNetwork(sessionId: string, name: string): Promise<void> {
    const network = (await this.networks(sessionId)).find((each) => each.name === name);
    if (network !== undefined) await containerParts(this.context).engine.removeNetwork(network.id);
  }

  /** Errors: `policy_violation`, `invalid_request` (the name, or it is taken). */
  async createVolume(sessionId: string, name: string): Promise<SessionVolume> {
    this.sessions.getOpen(sessionId);
    const clean = validResourceName(name);
    await this.ready();
    if ((await this.volumes(sessionId)).some((volume) => volume.name === clean)) throw taken(clean);
    const { engine, installationId } = containerParts(this.context);
    return this.claims.make('volume', sessionId, async (claimId) => {
      const labels = ownLabels({ installationId, sessionId, claimId, name: clean });
      await engine.createVolume({ name: engineName(clean, claimId), labels });
      return { name: clean, engineName: engineName(clean, claimId), sessionId };
    });
  }

  async volumes(sessionId: string): Promise<SessionVolume[]> {
    await this.ready();
    const volumes = await containerParts(this.context).engine.listVolumes(this.labelsOf(sessionId));
    return volumes.map(({ name, labels }) => ({
      name: labels[nameLabel] ?? name,
      engineName: name,
      sessionId,
    }));
  }

  /** With what is in it. Error: `container_engine_failed` while a container uses it. */
  async removeVolume(sessionId: string, name: string): Promise<void> {
    const volume = (await this.volumes(sessionId)).find((each) => each.name === name);
    if (volume !== undefined) await containerParts(this.context).engine.removeVolume(volume.engineName);
  }

  /**
   * What a foreign container uses stays, since only its owner may end that: the next comparison with the engine tries
   * again. Error: `container_engine_missing`.
   */
  async removeAllOf(sessionId: string): Promise<void> {
    const { engine } = containerParts(this.context);
    for (const { id, name } of await this.networks(sessionId)) {
      await attempt(this.context, `remove the network ${name}`, () => engine.removeNetwork(id));
    }
    for (const { engineName: volume, name } of await this.volumes(sessionId)) {
      await attempt(this.context, `remove the volume ${name}`, () => engine.removeVolume(volume));
    }
  }

  private labelsOf(sessionId: string): Readonly<Record<string, string>> {
    const { installationId } = containerParts(this.context);
    return { [installationLabel]: installationId, [sessionLabel]: sessionId };
  }
}

function validResourceName(name: string): string {
  const clean = validName(name, 'network or volume');
  if (
    /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(clean) &&
    clean !== 'none' &&
    clean !== 'bridge' &&
    clean !== 'host'
  ) {
    return clean;
  }
  throw invalidRequest(`"${name}" cannot be its name: letters, digits, "_", "." and "-".`);
}

function taken(name: string): OrchestratorError {
  return invalidRequest(`The session has a "${name}" already.`);
}
