import type { Disposable } from '../../base/disposable.ts';
import type { SeenContainerTask } from '../../core/containerTasks/containerTaskAccess.ts';
import type { OrchestratorEvent } from '../../core/events/event.ts';
import type {
  EventQuery,
  RunReport,
  SeenRun,
  SeenTerminal,
  ServingOrchestrator,
} from '../../core/orchestratorAccess.ts';
import { isLastRunEvent } from '../../core/orchestratorAccess.ts';
import type {
  FollowOptions,
  FollowSink,
  SnapshotOptions,
  TerminalBytes,
  TerminalFollower,
  TerminalSnapshot,
} from '../../core/ports/processHost.ts';
import type { Run, RunnerResult, RunRequest } from '../../core/runs/run.ts';
import type { StepOutputPiece } from '../../core/runs/stepOutput.ts';
import type { CreateSessionRequest, Session } from '../../core/sessions/session.ts';
import { EventServiceDefinition } from '../../protocol/gen/event/v1/event.ts';
import {
  ListRunsRequest,
  type Run as RunMessage,
  RunServiceDefinition,
} from '../../protocol/gen/run/v1/run.ts';
import { SessionServiceDefinition } from '../../protocol/gen/session/v1/session.ts';
import { AttachOpen, TerminalServiceDefinition } from '../../protocol/gen/terminal/v1/terminal.ts';
import type { GrpcClient } from '../grpc/grpcClient.ts';
import type { RpcClient } from '../grpc/rpcClient.ts';
import { eventOf } from './eventRecords.ts';
import { RemoteContainers } from './remoteContainers.ts';
import { RemoteContainerTasks } from './remoteContainerTasks.ts';
import { followRemotely } from './remoteFollower.ts';
import { runOf, runRequestMessage } from './runRecords.ts';
import { sessionOf } from './sessionRecords.ts';
import { snapshotOf, terminalOf } from './terminalRecords.ts';
import { present } from './values.ts';

const pageSize = 1_000;
/** The core promises the end of an aborted run, and of a killed terminal, well within it. */
const endLimitMs = 20_000;
/** A shell may take long to start on a loaded machine. */
const startLimitMs = 60_000;

/** An orchestrator behind its gRPC door, with the rights of the person. The connection is that of its client. */
export class RemoteAccess implements ServingOrchestrator, Disposable {
  readonly containers: RemoteContainers;
  readonly containerTasks: RemoteContainerTasks;
  private readonly client: GrpcClient;
  private readonly sessions: RpcClient<typeof SessionServiceDefinition>;
  private readonly terminals: RpcClient<typeof TerminalServiceDefinition>;
  private readonly runs: RpcClient<typeof RunServiceDefinition>;
  private readonly events: RpcClient<typeof EventServiceDefinition>;
  /** The last write to each terminal: calls of one connection may overtake each other. */
  private readonly writes = new Map<string, Promise<void>>();

  /** @param client connected; closed with this. */
  constructor(client: GrpcClient) {
    this.client = client;
    this.containers = new RemoteContainers(client);
    this.containerTasks = new RemoteContainerTasks(client);
    this.sessions = client.service(SessionServiceDefinition);
    this.terminals = client.service(TerminalServiceDefinition);
    this.runs = client.service(RunServiceDefinition);
    this.events = client.service(EventServiceDefinition);
  }

  async listSessions(): Promise<Session[]> {
    const { sessions } = await this.sessions.listSessions({ includesClosed: true });
    return sessions.map(sessionOf);
  }

  async listTerminals(): Promise<SeenTerminal[]> {
    const [{ terminals }, { programs }] = await Promise.all([
      this.terminals.listTerminals({ filter: undefined }),
      this.terminals.listForegroundPrograms({}),
    ]);
    return terminals.map((message) => ({
      ...terminalOf(message),
      isLive: message.exit === undefined,
      foregroundProcess: programs[message.id],
    }));
  }

  async listRuns({ isLive = false }: { readonly isLive?: boolean } = {}): Promise<SeenRun[]> {
    const found: RunMessage[] = [];
    let pageToken = '';
    do {
      const page = await this.runs.listRuns(ListRunsRequest.fromPartial({ pageSize, pageToken, isLive }));
      found.push(...page.runs);
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    return found.reverse().map((message) => {
      const run = runOf(message);
      return { ...run, isLive: run.status === 'running' };
    });
  }

  listContainerTasks(): Promise<SeenContainerTask[]> {
    return this.containerTasks.list();
  }

  async *readEvents(query: EventQuery): AsyncGenerator<OrchestratorEvent, void, undefined> {
    const { after, follows, sessionId = '', runId = '', signal } = query;
    const request = { afterSequence: after, follows, sessionId, runId, terminalId: '' };
    try {
      for await (const { event } of this.events.readEvents(request, { signal })) {
        yield eventOf(present(event, 'event'));
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async *followRun({ id }: SeenRun, signal: AbortSignal): AsyncGenerator<RunReport, void, undefined> {
    for await (const event of this.readEvents({ after: 0, follows: true, runId: id, signal })) {
      yield event;
      if (isLastRunEvent(event)) return;
    }
  }

  async readStepOutput({ id }: SeenRun, step: number, skip: number): Promise<StepOutputPiece> {
    const { data, position, totalBytes } = await this.runs.readStepOutput({
      runId: id,
      step,
      skipBytes: skip,
    });
    return { data, position, total: totalBytes };
  }

  async readTerminal(id: string, from: number, to: number): Promise<TerminalBytes> {
    return this.terminals.readOutput({
      terminalId: id,
      from,
      to: Number.isSafeInteger(to) ? to : undefined,
    });
  }

  async snapshotTerminal(
    id: string,
    { scrollback, cols, rows }: SnapshotOptions = {},
  ): Promise<TerminalSnapshot> {
    const open = AttachOpen.fromPartial({
      terminalId: id,
      scrollback,
      size: cols === undefined || rows === undefined ? undefined : { cols, rows },
    });
    // What follows on the snapshot is not wanted: leaving the loop gives the call up.
    for await (const { payload } of this.terminals.attachTerminal(
      once({ payload: { $case: 'open', value: open } }),
    )) {
      if (payload?.$case === 'snapshot') return snapshotOf(payload.value);
    }
    return present<TerminalSnapshot>(undefined, 'snapshot');
  }

  async followTerminal(id: string, options: FollowOptions, sink: FollowSink): Promise<TerminalFollower> {
    // A stream tells only later that there is nothing to follow.
    await this.terminals.getTerminal({ terminalId: id });
    return followRemotely(this.terminals, id, options, sink);
  }

  writeTerminal(id: string, data: Uint8Array): Promise<void> {
    const before = this.writes.get(id) ?? Promise.resolve();
    const write = before
      .catch(() => undefined)
      .then(async () => {
        await this.terminals.writeTerminal({ terminalId: id, data });
      })
      .finally(() => {
        if (this.writes.get(id) === write) this.writes.delete(id);
      });
    this.writes.set(id, write);
    return write;
  }

  async resizeTerminal(id: string, cols: number, rows: number): Promise<void> {
    await this.terminals.resizeTerminal({ terminalId: id, cols, rows });
  }

  async killTerminal(id: string): Promise<void> {
    await this.terminals.killTerminal({ terminalId: id }, { timeoutMs: endLimitMs });
  }

  async abortRun(id: string): Promise<void> {
    await this.runs.abortRun({ runId: id });
    await this.runs.getRunResult({ runId: id, waits: true }, { timeoutMs: endLimitMs });
  }

  async createSession(request: CreateSessionRequest): Promise<Session> {
    const { name = '', cwd = '', type = '', description = '', labels = {}, image = '' } = request;
    const message = { name, cwd, type, description, labels: { ...labels }, image };
    return sessionOf(present((await this.sessions.createSession(message)).session, 'session'));
  }

  async startRun(request: RunRequest, environment: Readonly<Record<string, string>>): Promise<Run> {
    const { run } = await this.runs.startRun(
      { request: runRequestMessage({ ...request, env: environment, isEnvWhole: true }) },
      { timeoutMs: startLimitMs },
    );
    return runOf(present(run, 'run'));
  }

  async getRun(id: string): Promise<Run> {
    const { run: found } = await this.runs.getRun({ runId: id });
    const message = present(found, 'run');
    const run = runOf(message);
    if (!message.hasResult) return run;
    const { result } = await this.runs.getRunResult({ runId: id, waits: false });
    // Made by a core, field by field as the type has it.
    return { ...run, result: present(result, 'result') as unknown as RunnerResult };
  }

  dispose(): void {
    this.client.close();
  }
}

// eslint-disable-next-line @typescript-eslint/require-await -- a stream of one
async function* once<T>(request: T): AsyncGenerator<T, void, undefined> {
  yield request;
}
