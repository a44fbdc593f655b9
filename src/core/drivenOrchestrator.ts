import type { ContainerAccess } from './containers/containerAccess.ts';
import type { TerminalBytes } from './ports/processHost.ts';
import type { Run, RunRequest } from './runs/run.ts';
import type { StepOutputPiece } from './runs/stepOutput.ts';
import type { CreateSessionRequest, Session } from './sessions/session.ts';
import type { Principal } from './terminals/owners.ts';
import type { SpawnTerminalRequest, Terminal } from './terminals/terminal.ts';
import type { CommandResult } from './terminals/terminalCommands.ts';

/**
 * An orchestrator as other programs drive it by tools, wherever it is: the one in this process, or one behind its gRPC
 * door. Whether the program may do so was asked before. Every failure is an OrchestratorError.
 */
export interface DrivenOrchestrator {
  readonly containers: Pick<ContainerAccess, 'list' | 'get' | 'exec' | 'output'>;

  /** Oldest first, closed ones too. */
  listSessions(): Promise<readonly Session[]>;
  createSession(request: CreateSessionRequest): Promise<Session>;
  /** Resolves when everything in it has ended. */
  closeSession(id: string, reason: string): Promise<void>;

  /** Oldest first, ended ones too. */
  listTerminals(): Promise<readonly DrivenTerminal[]>;
  /** Error: `terminal_not_found`. */
  getTerminal(id: string): Promise<DrivenTerminal>;
  spawnTerminal(request: SpawnTerminalRequest): Promise<DrivenTerminal>;
  /** @param by who writes, for the audit log */
  writeTerminal(id: string, data: string, by: Principal): Promise<void>;
  /** Resolves when everything in it has ended. */
  killTerminal(id: string, by: Principal): Promise<void>;
  /** Bytes of the record from `from` on, at most up to `to`; less where it is much. None means that there are no more. */
  readTerminal(id: string, from: number, to: number): Promise<TerminalBytes>;
  /**
   * Types the command and waits until it has run. Errors: those of `TerminalSessions.waitForCompletion`; the command
   * goes on after `output_timeout` and `aborted`.
   */
  runCommand(id: string, command: string, options: RunCommandOptions): Promise<CommandResult>;

  /** Newest first, without their results. */
  listRuns(filter: RunListFilter): Promise<readonly Omit<Run, 'result'>[]>;
  /** With its result, where it has one. Error: `run_not_found`. */
  getRun(id: string): Promise<Run>;
  /** Resolves once the run is stored; it goes on by itself. */
  startRun(request: RunRequest): Promise<Run>;
  /** Resolves once the abort is asked for. Errors: `run_not_found`, `run_not_active`. */
  abortRun(id: string): Promise<void>;
  /** Resolves when the run has ended. Errors: `run_not_found`, `aborted` with the signal. */
  waitForRun(id: string, signal: AbortSignal): Promise<void>;
  /** What a step printed, wherever that stands, after so many bytes of it. */
  readStepOutput(runId: string, step: number, skip: number): Promise<StepOutputPiece>;
}

/** Without its marks, which are a secret between an orchestrator and the shell. */
export type DrivenTerminal = Omit<Terminal, 'marks'>;

export interface RunCommandOptions {
  /** Milliseconds. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Who types, for the audit log. */
  readonly by: Principal;
}

export interface RunListFilter {
  /** 1 to 1,000. */
  readonly limit: number;
  readonly sessionId?: string | undefined;
  readonly isLive?: boolean | undefined;
}
