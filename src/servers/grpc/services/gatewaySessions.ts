import { OrchestratorError } from '../../../base/errors.ts';
import type { Orchestrator } from '../../../core/orchestrator.ts';
import type { Session } from '../../../core/sessions/session.ts';
import { GatewaySessionConfig } from '../../../protocol/gen/gateway/v1/gateway.ts';

/**
 * A session of a gateway is a session of the orchestrator with labels that say so: it outlives the server, and whatever
 * closes the one closes the other.
 */
const prefix = 'gateway.';
const idLabel = `${prefix}id`;
const clientTypeLabel = `${prefix}client_type`;
const clientVersionLabel = `${prefix}client_version`;
/** The whole message, in base64. */
const configLabel = `${prefix}config`;

type Labels = Readonly<Record<string, string>>;

/** What a gateway's session has that other sessions have not. */
export interface GatewayFacts {
  readonly id: string;
  readonly clientType: string;
  readonly clientVersion: string;
  readonly config: GatewaySessionConfig;
}

export function gatewayLabels({ id, clientType, clientVersion, config }: GatewayFacts): Labels {
  const encoded = Buffer.from(GatewaySessionConfig.encode(config).finish()).toString('base64');
  return {
    [idLabel]: id,
    [clientTypeLabel]: clientType,
    [clientVersionLabel]: clientVersion,
    [configLabel]: encoded,
  };
}

/** Undefined for a session that no gateway has made. */
export function gatewayFactsOf({ labels }: Session): GatewayFacts | undefined {
  const id = labels[idLabel];
  if (id === undefined) return undefined;
  return {
    id,
    clientType: labels[clientTypeLabel] ?? '',
    clientVersion: labels[clientVersionLabel] ?? '',
    config: GatewaySessionConfig.decode(Buffer.from(labels[configLabel] ?? '', 'base64')),
  };
}

/** The labels that a client has given. */
export function ownLabels(labels: Labels | undefined): Labels {
  return Object.fromEntries(Object.entries(labels ?? {}).filter(([key]) => !key.startsWith(prefix)));
}

/** New labels for a session, which stays the gateway's that it was. */
export function keepGatewayLabels(session: Session, labels: Labels | undefined): Labels {
  const kept = Object.entries(session.labels).filter(([key]) => key.startsWith(prefix));
  return { ...ownLabels(labels), ...Object.fromEntries(kept) };
}

/** Those that are not closed, oldest first. */
export function listGatewaySessions({ sessions }: Orchestrator, labels?: Labels): Session[] {
  return sessions.list({ labels }).filter((session) => Object.hasOwn(session.labels, idLabel));
}

/** Error: `session_not_found`. */
export function getGatewaySession({ sessions }: Orchestrator, id: string): Session {
  const [session] = sessions.list({ labels: { [idLabel]: id } });
  if (session !== undefined) return session;
  throw new OrchestratorError('NOT_FOUND', 'session_not_found', 'gateway session not found');
}

/** The gateway's id of a session, of a closed one too; empty where it is none of a gateway's. */
export function gatewayIdOf({ sessions }: Orchestrator, sessionId: string | undefined): string {
  return (sessionId === undefined ? undefined : sessions.find(sessionId)?.labels[idLabel]) ?? '';
}
