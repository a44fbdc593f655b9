import type { DrivenOrchestrator, DrivenTerminal } from '../../core/drivenOrchestrator.ts';
import type { Principal } from '../../core/terminals/owners.ts';
import { ListRunsRequest, RunServiceDefinition } from '../../protocol/gen/run/v1/run.ts';
import { SessionServiceDefinition } from '../../protocol/gen/session/v1/session.ts';
import {
  SpawnTerminalRequest,
  type Terminal as TerminalMessage,
  TerminalServiceDefinition,
} from '../../protocol/gen/terminal/v1/terminal.ts';
import type { GrpcClient } from '../grpc/grpcClient.ts';
import type { RpcOptions } from '../grpc/rpcClient.ts';
import { RemoteAccess } from './remoteAccess.ts';
import { runOf, runRequestMessage } from './runRecords.ts';
import { sessionOf } from './sessionRecords.ts';
import { terminalOf } from './terminalRecords.ts';
import { present } from './values.ts';

/** Closing a session ends all that runs in it. */
const closeLimitMs = 60_000;
/** A shell may take long to start on a loaded machine. */
const startLimitMs = 60_000;
const killLimitMs = 20_000;
/** The orchestrator ends a wait by its own limit; this one is for a connection that says nothing any more. */
const answerMarginMs = 10_000;

/** The orchestrator behind a gRPC door, as tools drive it: what is owned, is asked for in its owner's name. */
export function remoteOrchestrator(client: GrpcClient): DrivenOrchestrator {
  const access = new RemoteAccess(client);
  const sessions = client.service(SessionServiceDefinition);
  const terminals = client.service(TerminalServiceDefinition);
  const runs = client.service(RunServiceDefinition);
  return {
    containers: access.containers,
    listSessions: () => access.listSessions(),
    createSession: async (request) => {
      const {
        name = '',
        cwd = '',
        type = '',
        description = '',
        labels = {},
        image = '',
        owner = null,
      } = request;
      const message = { name, cwd, type, description, labels: { ...labels }, image };
      return sessionOf(present((await sessions.createSession(message, as(owner))).session, 'session'));
    },
    closeSession: async (sessionId, reason) => {
      await sessions.closeSession({ sessionId, reason }, { timeoutMs: closeLimitMs });
    },
    listTerminals: async () =>
      (await terminals.listTerminals({ filter: undefined })).terminals.map(terminalOf),
    getTerminal: async (terminalId) => terminalIn(await terminals.getTerminal({ terminalId })),
    spawnTerminal: async ({ sessionId, name, managedBy, shell, args, cwd, cols, rows, by = null }) => {
      const request = SpawnTerminalRequest.fromPartial({
        sessionId: sessionId ?? '',
        name: name ?? '',
        managedBy: managedBy ?? '',
        shell: shell ?? '',
        args: [...(args ?? [])],
        cwd: cwd ?? '',
        cols: cols ?? 0,
        rows: rows ?? 0,
      });
      return terminalIn(await terminals.spawnTerminal(request, { ...as(by), timeoutMs: startLimitMs }));
    },
    writeTerminal: async (terminalId, text, by) => {
      await terminals.writeTerminal({ terminalId, data: Buffer.from(text) }, as(by));
    },
    killTerminal: async (terminalId, by) => {
      await terminals.killTerminal({ terminalId }, { ...as(by), timeoutMs: killLimitMs });
    },
    readTerminal: (id, from, to) => access.readTerminal(id, from, to),
    runCommand: async (terminalId, command, { timeoutMs, signal, by }) => {
      await terminals.executeCommand({ terminalId, command }, { ...as(by), signal });
      const { exitCode = null, output } = await terminals.waitForCompletion(
        { terminalId, timeoutMs },
        { ...as(by), signal, timeoutMs: timeoutMs + answerMarginMs },
      );
      return { exitCode, output };
    },
    listRuns: async ({ limit, sessionId = '', isLive = false }) => {
      const page = ListRunsRequest.fromPartial({ pageSize: limit, sessionId, isLive });
      return (await runs.listRuns(page)).runs.map(runOf);
    },
    getRun: (id) => access.getRun(id),
    startRun: async (request) => {
      const { run } = await runs.startRun(
        { request: runRequestMessage(request) },
        { timeoutMs: startLimitMs },
      );
      return runOf(present(run, 'run'));
    },
    abortRun: async (runId) => {
      await runs.abortRun({ runId });
    },
    waitForRun: async (runId, signal) => {
      await runs.getRunResult({ runId, waits: true }, { signal, timeoutMs: 0 });
    },
    readStepOutput: async (runId, step, skip) => {
      const { data, position, totalBytes } = await runs.readStepOutput({ runId, step, skipBytes: skip });
      return { data, position, total: totalBytes };
    },
  };
}

/** A call with the rights and in the name of an owner. */
function as(principal: Principal): RpcOptions {
  return principal === null ? {} : { metadata: { 'orchestrator-principal': principal } };
}

function terminalIn({ terminal }: { readonly terminal?: TerminalMessage | undefined }): DrivenTerminal {
  return terminalOf(present(terminal, 'terminal'));
}
