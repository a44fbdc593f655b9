import { Emitter } from '../../base/emitter.ts';
import type { OrchestratorEvent } from '../../core/events/event.ts';
import { isRunEnded, type Run } from '../../core/runs/run.ts';
import type { Session } from '../../core/sessions/session.ts';
import type { Terminal } from '../../core/terminals/terminal.ts';
import { type RunServiceDefinition, ListRunsRequest } from '../../protocol/gen/run/v1/run.ts';
import type { SessionServiceDefinition } from '../../protocol/gen/session/v1/session.ts';
import type { TerminalServiceDefinition } from '../../protocol/gen/terminal/v1/terminal.ts';
import type { RpcClient } from '../grpc/rpcClient.ts';
import { runOf } from './runRecords.ts';
import { sessionOf } from './sessionRecords.ts';
import { terminalOf } from './terminalRecords.ts';

export interface MirrorServices {
  readonly sessions: RpcClient<typeof SessionServiceDefinition>;
  readonly terminals: RpcClient<typeof TerminalServiceDefinition>;
  readonly runs: RpcClient<typeof RunServiceDefinition>;
}

/** Ended runs that are known from before; those that end while we look on are added. */
const recentRuns = 200;

/** What another orchestrator has, kept up to date by its streams while they last, and as it was last seen after. */
export class Mirror {
  readonly sessions = new Map<string, Session>();
  readonly terminals = new Map<string, Terminal>();
  readonly runs = new Map<string, Run>();
  private readonly runChanged = new Emitter<Run>();
  private readonly appended = new Emitter<Pick<OrchestratorEvent, 'type' | 'sessionId'>>();

  readonly onDidChangeRun = this.runChanged.event;
  readonly onDidAppend = this.appended.event;

  /** Takes over what there is and then each change. Ends, with the reason, when one of the streams does. */
  async follow(services: MirrorServices, signal: AbortSignal, onSeen: () => void): Promise<void> {
    const stop = new AbortController();
    const options = { signal: AbortSignal.any([signal, stop.signal]) };
    let waiting = 3;
    const noteSnapshot = (): void => {
      waiting -= 1;
      if (waiting === 0) onSeen();
    };
    const streams = [
      this.followSessions(services, options, noteSnapshot),
      this.followTerminals(services, options, noteSnapshot),
      this.followRuns(services, options, noteSnapshot),
    ];
    try {
      await Promise.race(streams);
    } finally {
      stop.abort();
      await Promise.allSettled(streams);
    }
  }

  dispose(): void {
    this.runChanged.dispose();
    this.appended.dispose();
  }

  /** As the orchestrator answered: its stream tells the same a little later. */
  putSession(session: Session): Session {
    this.sessions.set(session.id, session);
    this.appended.fire({ type: 'session.updated', sessionId: session.id });
    return session;
  }

  putTerminal(terminal: Terminal): Terminal {
    this.terminals.set(terminal.id, terminal);
    this.appended.fire({ type: 'terminal.updated', sessionId: terminal.sessionId });
    return terminal;
  }

  putRun(run: Run): Run {
    this.runs.set(run.id, run);
    this.runChanged.fire(run);
    return run;
  }

  removeTerminal(id: string): void {
    const terminal = this.terminals.get(id);
    if (terminal === undefined) return;
    this.terminals.delete(id);
    this.appended.fire({ type: 'terminal.removed', sessionId: terminal.sessionId });
  }

  removeRun(id: string): void {
    const run = this.runs.get(id);
    if (run === undefined) return;
    this.runs.delete(id);
    this.appended.fire({ type: 'run.removed', sessionId: run.sessionId });
  }

  private async followSessions(
    { sessions }: MirrorServices,
    options: { readonly signal: AbortSignal },
    onSnapshot: () => void,
  ): Promise<void> {
    for await (const { payload } of sessions.watchSessions({}, options)) {
      if (payload?.$case === 'snapshot') {
        const found = payload.value.sessions.map(sessionOf);
        for (const id of missing(this.sessions, found)) this.sessions.delete(id);
        for (const session of found) this.putSession(session);
        onSnapshot();
      } else if (payload?.$case === 'changed') this.putSession(sessionOf(payload.value));
    }
  }

  private async followTerminals(
    { terminals }: MirrorServices,
    options: { readonly signal: AbortSignal },
    onSnapshot: () => void,
  ): Promise<void> {
    const request = { filter: undefined, afterSequence: undefined };
    for await (const { payload } of terminals.watchTerminals(request, options)) {
      if (payload?.$case === 'snapshot') {
        const found = payload.value.terminals.map(terminalOf);
        for (const id of missing(this.terminals, found)) this.removeTerminal(id);
        for (const terminal of found) this.putTerminal(terminal);
        onSnapshot();
      } else if (payload?.$case === 'change') {
        const { terminal, terminalId } = payload.value;
        if (terminal === undefined) this.removeTerminal(terminalId);
        else this.putTerminal(terminalOf(terminal));
      }
    }
  }

  private async followRuns(
    { runs }: MirrorServices,
    options: { readonly signal: AbortSignal },
    onSnapshot: () => void,
  ): Promise<void> {
    for await (const { payload } of runs.watchRuns({ sessionId: '' }, options)) {
      switch (payload?.$case) {
        case 'snapshot': {
          // What ends between the snapshot and the page is told as a change after both.
          const page = await runs.listRuns(ListRunsRequest.fromPartial({ pageSize: recentRuns }), options);
          const found = [...payload.value.runs, ...page.runs].map(runOf);
          for (const id of missing(this.runs, found)) this.removeRun(id);
          for (const run of found) this.putRun(run);
          onSnapshot();
          break;
        }
        case 'changed':
          this.putRun(runOf(payload.value));
          break;
        case 'removed':
          this.removeRun(payload.value);
          break;
        case undefined:
          break;
      }
    }
  }
}

/** Those that are known and no longer there. */
function missing(known: ReadonlyMap<string, unknown>, found: readonly { readonly id: string }[]): string[] {
  const there = new Set(found.map(({ id }) => id));
  return [...known.keys()].filter((id) => !there.has(id));
}

/** Newest first; run ids grow with time. */
export function newestFirst(runs: Iterable<Run>): Run[] {
  return [...runs].sort((a, b) => (a.id < b.id ? 1 : -1));
}

export function activeRuns(runs: Iterable<Run>): Run[] {
  return newestFirst(runs)
    .filter((run) => !isRunEnded(run))
    .reverse();
}
