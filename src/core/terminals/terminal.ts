import type { TerminalCeilings, TerminalExitStatus } from '../ports/processHost.ts';
import type { Principal } from './owners.ts';
import type { ShellMarks } from './shellIntegration.ts';

/** A PTY and its record, as the core remembers it. */
export interface Terminal {
  /** UUID v4. */
  readonly id: string;
  readonly sessionId: string;
  readonly name: string;
  /** Owner id such as `orchestrator:coordinator-001:codegen`; null for a person's own terminal. */
  readonly managedBy: string | null;
  /** The run that it belongs to, or null. */
  readonly runId: string | null;
  readonly shell: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly cols: number;
  readonly rows: number;
  /** 0 until the process runs. */
  readonly pid: number;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly state: 'starting' | 'running' | 'exited';
  readonly exit?: TerminalExitStatus | undefined;
  /** What its processes may use at most, where it was started with that. */
  readonly ceilings?: TerminalCeilings | undefined;
  /** Where its shell prints marks around commands: a secret between us and that shell. */
  readonly marks?: ShellMarks | undefined;
}

export interface SpawnTerminalRequest {
  readonly sessionId?: string | undefined;
  readonly name?: string | undefined;
  readonly managedBy?: string | null | undefined;
  /** Who asks, for the audit log; a person when missing. */
  readonly by?: Principal | undefined;
  /** Program; the user's shell when missing. */
  readonly shell?: string | undefined;
  readonly args?: readonly string[] | undefined;
  /** The session's directory when missing. */
  readonly cwd?: string | undefined;
  /** Over the inherited environment; null removes a variable. */
  readonly env?: Readonly<Record<string, string | null>> | undefined;
  /** Nothing is inherited but what programs cannot do without (PATH, home, user, language); `env` goes over that. */
  readonly isCleanEnvironment?: boolean | undefined;
  /** Where they cannot be set, nothing is started (`ceilings_unavailable`). */
  readonly ceilings?: TerminalCeilings | undefined;
  /** 1 to 1,000; default 80. */
  readonly cols?: number | undefined;
  /** 1 to 1,000; default 24. */
  readonly rows?: number | undefined;
}
