import { noResourceLimits, type ResourceLimits } from '../resources.ts';

/** The long-lived unit: it owns terminals, runs, containers, tasks and messages. */
export interface Session {
  /** 32 hex characters. */
  readonly id: string;
  readonly name: string;
  /** Who made it: `user`, or an agent such as `orchestrator:coordinator-001`. */
  readonly owner: string;
  readonly type: SessionType;
  readonly state: SessionState;
  /** Where its terminals and runs start. */
  readonly cwd: string;
  readonly description: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly tags: readonly string[];
  readonly config: SessionConfig;
  readonly preferences: UserPreferences;
  /** With type `container`: what the containers of its runs are made of. */
  readonly image?: string | undefined;
  /** The task of an agent that was given to it last and has not ended. */
  readonly currentTaskId?: string | undefined;
  /** Its tasks that have ended, the oldest first: the last 100. */
  readonly taskHistory: readonly string[];
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly updatedAt: number;
  /** When something last began or ended in it, was said in it or was changed of it. */
  readonly lastActiveAt: number;
  /** When its longest duration is over: then it is closed. */
  readonly expiresAt?: number | undefined;
  readonly closedAt?: number | undefined;
  readonly closeReason?: string | undefined;
}

export type SessionType = 'shell' | 'container' | 'claude-code' | 'codex' | 'gemini' | 'opencode';

/**
 * `idle` means active with nothing running in it and untouched for its idle timeout. Whether something runs in it at
 * this moment is another question, which `SessionManager.isBusy` answers.
 */
export type SessionState = 'initializing' | 'active' | 'idle' | 'closing' | 'closed';

export interface SessionConfig {
  /** 0 sets no limit. */
  readonly maxContainers: number;
  /** Milliseconds from its creation; 0 sets no limit. */
  readonly maxDurationMs: number;
  /** Milliseconds; 0 means the core's default. */
  readonly idleTimeoutMs: number;
  readonly resourceLimits: ResourceLimits;
  /** Images that its containers may be made of; empty allows all. */
  readonly allowedImages: readonly string[];
  readonly policy: SessionPolicy;
}

/** What its containers may have beyond themselves. Nothing where none was given: an engine is as good as the machine. */
export interface SessionPolicy {
  readonly allowNetwork: boolean;
  /** With `allowNetwork`; the engine's default network where empty. */
  readonly allowedNetworks: readonly string[];
  readonly allowVolumeMount: boolean;
  /** Besides the session's directory, with `allowVolumeMount`. */
  readonly allowedPaths: readonly string[];
  /** A person must approve each container. */
  readonly requireApproval: boolean;
}

export interface UserPreferences {
  readonly timezone: string;
  readonly language: string;
  readonly theme: string;
  readonly notifications: boolean;
}

export const defaultSessionConfig: SessionConfig = {
  maxContainers: 0,
  maxDurationMs: 0,
  idleTimeoutMs: 0,
  resourceLimits: noResourceLimits,
  allowedImages: [],
  policy: {
    allowNetwork: false,
    allowedNetworks: [],
    allowVolumeMount: false,
    allowedPaths: [],
    requireApproval: false,
  },
};

export const noPreferences: UserPreferences = { timezone: '', language: '', theme: '', notifications: false };

/** What may be said about a session, all of it, as a client sends it. */
export interface SessionMetadata {
  /** At most 120 characters; made from the directory's name when missing or empty. */
  readonly name?: string | undefined;
  /** `user` when missing or empty; at most 120 characters. */
  readonly owner?: string | undefined;
  /** At most 4,096 characters. */
  readonly description?: string | undefined;
  /** At most 64; keys to 256, values to 4,096 characters. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** At most 64 of at most 256 characters. */
  readonly tags?: readonly string[] | undefined;
}

export interface CreateSessionRequest extends SessionMetadata {
  readonly type?: SessionType | undefined;
  readonly cwd?: string | undefined;
  readonly config?: Partial<SessionConfig> | undefined;
  readonly preferences?: UserPreferences | undefined;
  /** With type `container`: what the containers of its runs are made of, unless a run names an image of its own. */
  readonly image?: string | undefined;
  /** For 24 hours a second request with the key answers with the session of the first. 1 to 200 characters. */
  readonly idempotencyKey?: string | undefined;
}

export interface SessionUpdate {
  /** Replaces all of it: what is missing is cleared. */
  readonly metadata?: SessionMetadata | undefined;
  readonly preferences?: UserPreferences | undefined;
}

export interface SessionFilter {
  /** Closed ones are left out unless asked for. */
  readonly includeClosed?: boolean | undefined;
  readonly state?: SessionState | undefined;
  readonly owner?: string | undefined;
  /** Every pair must match. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

export function isSessionOpen(session: Session): boolean {
  return session.state !== 'closing' && session.state !== 'closed';
}
