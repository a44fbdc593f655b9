import type { Run } from '../runs/run.ts';
import type { Terminal } from '../terminals/terminal.ts';

export interface ClosePreview {
  readonly liveTerminals: number;
  /** Those that wait for their turn too. */
  readonly runningRuns: number;
}

/** What closing a session would end. A run's own terminal ends with its run: a person counts it once. */
export function previewClose(
  sessionId: string,
  terminals: Iterable<Terminal>,
  liveRuns: Iterable<Run>,
): ClosePreview {
  const liveTerminals = [...terminals].filter(
    (terminal) => terminal.sessionId === sessionId && terminal.state !== 'exited' && terminal.runId === null,
  );
  const runs = [...liveRuns].filter((run) => run.sessionId === sessionId);
  return { liveTerminals: liveTerminals.length, runningRuns: runs.length };
}
