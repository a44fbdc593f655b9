import { workerExitedType } from '../../core/ports/processHost.ts';
import type { ContainerAccess } from '../../core/containers/containerAccess.ts';
import type { SeenContainerTask } from '../../core/containerTasks/containerTaskAccess.ts';
import type { OrchestratorEvent } from '../../core/events/event.ts';
import type { Orchestrator } from '../../core/orchestrator.ts';
import {
  type EventQuery,
  isLastRunEvent,
  type RunReport,
  type SeenRun,
  seenRun,
  type SeenTerminal,
  type ServingOrchestrator,
} from '../../core/orchestratorAccess.ts';
import type {
  FollowOptions,
  FollowSink,
  SnapshotOptions,
  TerminalBytes,
  TerminalFollower,
  TerminalSnapshot,
} from '../../core/ports/processHost.ts';
import type { Run, RunRequest } from '../../core/runs/run.ts';
import { readStepOutput, type StepOutputPiece } from '../../core/runs/stepOutput.ts';
import type { CreateSessionRequest, Session } from '../../core/sessions/session.ts';

import { LocalContainerTasks } from './localContainerTasks.ts';

const longestRunList = 10_000;
const pieceBytes = 1024 * 1024;

/** The core of this process. */
export class LocalAccess implements ServingOrchestrator {
  readonly containerTasks: LocalContainerTasks;
  private readonly orchestrator: Orchestrator;
  private workerExits: Promise<void> = Promise.resolve();

  constructor(orchestrator: Orchestrator) {
    this.orchestrator = orchestrator;
    this.containerTasks = new LocalContainerTasks(orchestrator);
  }

  get containers(): ContainerAccess {
    return this.orchestrator.containers;
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as every access answers
  async listSessions(): Promise<Session[]> {
    return this.orchestrator.sessions.list({ includeClosed: true });
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as every access answers
  async listTerminals(): Promise<SeenTerminal[]> {
    return this.orchestrator.terminals
      .list()
      .map(({ marks: _, ...terminal }) => ({ ...terminal, isLive: terminal.state !== 'exited' }));
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as every access answers
  async listRuns({ isLive }: { readonly isLive?: boolean } = {}): Promise<SeenRun[]> {
    return this.orchestrator.runs
      .list({ isLive, limit: longestRunList })
      .toReversed()
      .map((run) => seenRun(run, run.status === 'running'));
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as every access answers
  async listContainerTasks(): Promise<SeenContainerTask[]> {
    return this.containerTasks.list();
  }

  async *readEvents(query: EventQuery): AsyncGenerator<OrchestratorEvent, void, undefined> {
    const { events } = this.orchestrator;
    const { follows, ...scope } = query;
    if (follows) {
      yield* events.follow(scope);
      return;
    }
    for (let cursor = scope.after; cursor < events.lastSequence; ) {
      const page = events.page({ ...scope, after: cursor });
      yield* page.events;
      cursor = page.readTo;
    }
  }

  async *followRun({ id }: SeenRun, signal: AbortSignal): AsyncGenerator<RunReport, void, undefined> {
    for await (const event of this.readEvents({ after: 0, follows: true, runId: id, signal })) {
      yield event;
      if (isLastRunEvent(event)) return;
    }
  }

  readStepOutput({ id }: SeenRun, step: number, skip: number): Promise<StepOutputPiece> {
    const { orchestrator } = this;
    return readStepOutput(orchestrator, orchestrator.runs.get(id), { step, skip, maxBytes: pieceBytes });
  }

  readTerminal(id: string, from: number, to: number): Promise<TerminalBytes> {
    return this.orchestrator.terminals.read(id, from, to);
  }

  snapshotTerminal(id: string, options?: SnapshotOptions): Promise<TerminalSnapshot> {
    return this.orchestrator.terminals.snapshot(id, options);
  }

  followTerminal(id: string, options: FollowOptions, sink: FollowSink): Promise<TerminalFollower> {
    return this.orchestrator.terminals.follow(id, options, sink);
  }

  writeTerminal(id: string, data: Uint8Array): Promise<void> {
    return this.orchestrator.terminals.write(id, data);
  }

  resizeTerminal(id: string, cols: number, rows: number): Promise<void> {
    return this.orchestrator.terminals.resize(id, cols, rows);
  }

  killTerminal(id: string): Promise<void> {
    return this.orchestrator.terminals.kill(id);
  }

  async abortRun(id: string): Promise<void> {
    await this.orchestrator.runs.abort(id);
    await this.orchestrator.runs.waitForEnd(id);
  }

  createSession(request: CreateSessionRequest): Promise<Session> {
    return this.orchestrator.sessions.create(request);
  }

  /** The environment of this process is inherited. */
  async startRun(request: RunRequest): Promise<Run> {
    const run = await this.orchestrator.runs.start(request);
    this.workerExits = Promise.all([this.workerExits, this.workerExit(run.id)]).then(() => undefined);
    return run;
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as every access answers
  async getRun(id: string): Promise<Run> {
    return this.orchestrator.runs.get(id);
  }

  /** Resolves once nothing of the runs that were started here is left in the process host, which can then go. */
  async settled(): Promise<void> {
    if (this.orchestrator.runs.executor.workerCount > 0) await this.workerExits;
  }

  /** Resolves when the run's worker is gone. */
  private workerExit(runId: string): Promise<void> {
    const { processHost } = this.orchestrator;
    const { promise, resolve } = Promise.withResolvers<void>();
    const listening = processHost.onDidReceiveWorkerEvent((event) => {
      if (event.workerId === runId && event.type === workerExitedType) resolve();
    });
    const connection = processHost.onDidChangeConnection(({ state }) => {
      if (state === 'lost') resolve();
    });
    return promise.finally(() => {
      listening.dispose();
      connection.dispose();
    });
  }
}
