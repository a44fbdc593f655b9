import { type Disposable, toDisposable } from '../base/disposable.ts';
import type { TerminalCeilings } from '../core/ports/processHost.ts';
import type { TerminalEvents } from '../core/terminals/terminalEvents.ts';
import type { TerminalSessions } from '../core/terminals/terminalSessions.ts';
import type { WorkbenchInternals } from './workbench.ts';

export type { TerminalCeilings };
export type { TerminalEvents, TerminalExited, ThresholdPassed } from '../core/terminals/terminalEvents.ts';
export type {
  ListenOptions,
  ManagerMatch,
  TerminalSession,
  TerminalSessionInfo,
} from '../core/terminals/terminalSessions.ts';
export type { SpawnOptions } from '../core/terminals/spawnOptions.ts';
export type { CommandResult, WaitForCompletionOptions } from '../core/terminals/terminalCommands.ts';
export type { OutputMatch, PatternMatch } from '../core/terminals/lineSearch.ts';
export type { OutputText, WaitForPatternOptions } from '../core/terminals/terminalOutput.ts';
export type { TerminalMetrics } from '../core/terminals/terminalMetrics.ts';

/** Every method by promise: a method waits for the core of this window, and starts it if need be. */
type Promised<T> = {
  readonly [K in keyof T]: T[K] extends (...args: infer A) => infer R
    ? (...args: A) => Promise<Awaited<R>>
    : never;
};

/**
 * Terminals as agents use them (seed 003). What each does, its units, limits and errors stand at `TerminalSessions`,
 * whose operations these are. Errors are `Error`s with `code` (gRPC's canonical ones), `reason` and `message`;
 * besides an operation's own, those of starting the core: `workspace_untrusted`, `state_in_use` and others.
 */
export type TerminalOperations = Promised<Omit<TerminalSessions, 'asPrincipal' | keyof TerminalEvents>>;

/**
 * Operations and events. An event is heard of what happens while this window serves the workspace, across every new
 * start of its core; it starts nothing by itself.
 */
export interface TerminalApi extends TerminalOperations, TerminalEvents {}

/** What other extensions get from `getExtension('orchestration-workbench.orchestration-workbench').exports`. */
export interface OrchestrationWorkbenchApi extends TerminalApi {
  readonly apiVersion: 1;
  /** Resolves once this window serves the workspace's sessions; rejects with the reason why it does not. */
  whenReady(): Promise<void>;
  /**
   * The same operations with the rights of an agent: it reaches only terminals that it or an agent below it owns
   * (`permission_denied`), and what it spawns is its own. Every call without this is a person's.
   */
  asPrincipal(owner: string): TerminalApi;
  /** Only when the extension runs under test. */
  readonly internals?: () => Promise<WorkbenchInternals>;
}

/** Attaches to the terminals of a core, now and whenever there is a new one, until it is disposed. */
type Follow = (attach: (sessions: TerminalSessions) => Disposable) => Disposable;

/** Operations and events with the rights of a person, or, by `narrow`, of an agent. */
export function createTerminalApi(
  sessions: () => Promise<TerminalSessions>,
  follow: Follow,
  narrow: (sessions: TerminalSessions) => TerminalSessions = (all) => all,
): TerminalApi {
  return {
    ...createOperations(async () => narrow(await sessions())),
    onDidExitTerminal: (listener) => follow((all) => narrow(all).onDidExitTerminal(listener)),
    onDidPassThreshold: (listener) => follow((all) => narrow(all).onDidPassThreshold(listener)),
  };
}

/** `follow` of somebody who is still being loaded. */
export function followLater<T>(
  loading: Promise<{ follow(attach: (value: T) => Disposable): Disposable }>,
  attach: (value: T) => Disposable,
): Disposable {
  let following: Disposable | undefined;
  let isOver = false;
  loading.then(
    (loaded) => {
      if (!isOver) following = loaded.follow(attach);
    },
    // Told where it is loaded for a person; here nothing will ever happen.
    () => undefined,
  );
  return toDisposable(() => {
    isOver = true;
    following?.dispose();
  });
}

/** Operations that find their `TerminalSessions` at each call: the core may have been started anew in between. */
function createOperations(sessions: () => Promise<TerminalSessions>): TerminalOperations {
  return {
    spawnTerminal: async (...args) => (await sessions()).spawnTerminal(...args),
    spawnTerminalManaged: async (...args) => (await sessions()).spawnTerminalManaged(...args),
    listTerminalSessions: async () => (await sessions()).listTerminalSessions(),
    getTerminalSessionInfo: async (...args) => (await sessions()).getTerminalSessionInfo(...args),
    executeTerminalCommand: async (...args) => (await sessions()).executeTerminalCommand(...args),
    writeToTerminal: async (...args) => (await sessions()).writeToTerminal(...args),
    resizeTerminal: async (...args) => (await sessions()).resizeTerminal(...args),
    killTerminal: async (...args) => (await sessions()).killTerminal(...args),
    listSessionsByManager: async (...args) => (await sessions()).listSessionsByManager(...args),
    killSessionsByManager: async (...args) => (await sessions()).killSessionsByManager(...args),
    listenToTerminalOutput: async (...args) => (await sessions()).listenToTerminalOutput(...args),
    waitForCompletion: async (...args) => (await sessions()).waitForCompletion(...args),
    readOutput: async (...args) => (await sessions()).readOutput(...args),
    readLastLines: async (...args) => (await sessions()).readLastLines(...args),
    readScreen: async (...args) => (await sessions()).readScreen(...args),
    searchOutput: async (...args) => (await sessions()).searchOutput(...args),
    getTerminalMetrics: async (...args) => (await sessions()).getTerminalMetrics(...args),
    waitForPattern: async (...args) => (await sessions()).waitForPattern(...args),
  };
}
