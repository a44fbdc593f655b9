/** The long-lived unit: it owns terminals, runs and (later) containers. */
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
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly lastActiveAt: number;
  readonly closedAt?: number | undefined;
}

export type SessionType = 'shell' | 'container' | 'claude-code' | 'codex' | 'gemini' | 'opencode';

/** `idle` means active with nothing running in it. */
export type SessionState = 'initializing' | 'active' | 'idle' | 'closing' | 'closed';

export interface CreateSessionRequest {
  /** 1 to 120 characters; made from the directory's name when missing. */
  readonly name?: string | undefined;
  readonly owner?: string | undefined;
  readonly type?: SessionType | undefined;
  readonly cwd?: string | undefined;
}
