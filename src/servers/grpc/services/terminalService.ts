import { given } from '../../../protocol/given.ts';
import { OrchestratorError } from '../../../base/errors.ts';
import type { Orchestrator } from '../../../core/orchestrator.ts';
import { isOwnedBy, mayTouch, permissionDenied } from '../../../core/terminals/owners.ts';
import type { Terminal } from '../../../core/terminals/terminal.ts';
import type { TerminalSessions } from '../../../core/terminals/terminalSessions.ts';
import {
  type TerminalFilter,
  TerminalServiceDefinition,
} from '../../../protocol/gen/terminal/v1/terminal.ts';
import { type CallContext, implement, type ServiceImplementation } from '../rpcHandlers.ts';
import { attachTerminal } from './terminalAttach.ts';
import { ceilingsOf, terminalMessage } from './terminalMessages.ts';
import { watchTerminals } from './terminalWatch.ts';
import { environmentOf, patternOf, required } from './values.ts';

/** One answer to a reader; whoever wants more asks again from where it ended. */
const longestRead = 1024 * 1024;

/** Terminals over gRPC: what `PtyManager` and `TerminalSessions` do, with the caller's rights. */
export function terminalService(orchestrator: Orchestrator): ServiceImplementation {
  const { terminals } = orchestrator;

  const sessionsOf = ({ principal }: CallContext): TerminalSessions =>
    principal === null ? orchestrator.terminalSessions : orchestrator.terminalSessions.asPrincipal(principal);

  /** The terminal, if the caller may touch it. */
  const find = (id: string, { principal }: CallContext): Terminal => {
    const terminal = terminals.get(required(id, 'terminal_id'));
    if (!mayTouch(principal, terminal.managedBy)) throw permissionDenied(principal, `terminal ${id}`);
    return terminal;
  };
  const matcher =
    (filter: TerminalFilter | undefined, { principal }: CallContext) =>
    (terminal: Terminal): boolean =>
      mayTouch(principal, terminal.managedBy) && (filter === undefined || matches(filter, terminal));

  return implement(TerminalServiceDefinition, {
    spawnTerminal: async (request, { principal }) => {
      const managedBy = given(request.managedBy) ?? principal;
      if (!mayTouch(principal, managedBy))
        throw permissionDenied(principal, `what ${managedBy ?? 'user'} owns`);
      const terminal = await terminals.spawn({
        sessionId: given(request.sessionId),
        name: given(request.name),
        managedBy,
        by: principal,
        shell: given(request.shell),
        args: request.args,
        cwd: given(request.cwd),
        env: environmentOf(request.env, request.unsetEnv),
        cols: given(request.cols),
        rows: given(request.rows),
        isCleanEnvironment: request.isCleanEnvironment,
        ceilings: ceilingsOf(request.ceilings),
      });
      return { terminal: terminalMessage(terminal) };
    },
    listTerminals: ({ filter }, call) => ({
      terminals: terminals.list().filter(matcher(filter, call)).map(terminalMessage),
    }),
    getTerminal: ({ terminalId }, call) => ({ terminal: terminalMessage(find(terminalId, call)) }),
    writeTerminal: async ({ terminalId, data }, call) => {
      const { id } = find(terminalId, call);
      await terminals.write(id, data, call.principal);
      return {};
    },
    resizeTerminal: async ({ terminalId, cols, rows }, call) => {
      const { id } = find(terminalId, call);
      await terminals.resize(id, cols, rows, call.principal);
      return { terminal: terminalMessage(terminals.get(id)) };
    },
    killTerminal: async ({ terminalId, graceMs }, call) => {
      const { id } = find(terminalId, call);
      await terminals.kill(id, { by: call.principal, ...(graceMs === undefined ? {} : { graceMs }) });
      return { terminal: terminalMessage(terminals.get(id)) };
    },
    removeTerminal: async ({ terminalId }, call) => {
      await terminals.remove(find(terminalId, call).id);
      return {};
    },
    renameTerminal: async ({ terminalId, name }, call) => ({
      terminal: terminalMessage(await terminals.rename(find(terminalId, call).id, name)),
    }),
    executeCommand: async ({ terminalId, command }, call) => {
      await sessionsOf(call).executeTerminalCommand(required(terminalId, 'terminal_id'), command);
      return {};
    },
    waitForCompletion: async ({ terminalId, timeoutMs }, call) => {
      const { exitCode, output } = await sessionsOf(call).waitForCompletion(terminalId, {
        signal: call.signal,
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
      });
      return { exitCode: exitCode ?? undefined, output };
    },
    waitForPattern: ({ terminalId, pattern, timeoutMs, from }, call) =>
      sessionsOf(call).waitForPattern(terminalId, patternOf(pattern), {
        signal: call.signal,
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
        ...(from === undefined ? {} : { from }),
      }),
    readOutput: async ({ terminalId, from, to }, call) => {
      const { id } = find(terminalId, call);
      const answer = await terminals.read(
        id,
        from,
        Math.min(to ?? Number.MAX_SAFE_INTEGER, from + longestRead),
      );
      return { from: answer.from, data: answer.data, end: answer.end };
    },
    readLastLines: async ({ terminalId, count }, call) => ({
      lines: await sessionsOf(call).readLastLines(terminalId, count),
    }),
    searchOutput: async ({ terminalId, pattern, limit }, call) => ({
      matches: [...(await sessionsOf(call).searchOutput(terminalId, patternOf(pattern), given(limit)))],
    }),
    readScreen: async ({ terminalId }, call) => {
      const { text, cols, rows, offset } = await terminals.snapshot(find(terminalId, call).id, {
        scrollback: 0,
      });
      return { text, cols, rows, offset };
    },
    getMetrics: async ({ terminalId }, call) => {
      const metrics = await sessionsOf(call).getTerminalMetrics(terminalId);
      if (metrics === undefined) throw unmeasured(terminalId);
      const { cpuPercent, memoryBytes, processes, readBytes, writtenBytes } = metrics;
      return {
        cpuPercent,
        memoryBytes,
        processes,
        readBytes: readBytes ?? undefined,
        writtenBytes: writtenBytes ?? undefined,
      };
    },
    listForegroundPrograms: async (_request, call) => {
      const matches = matcher(undefined, call);
      const found = [...(await orchestrator.foregroundPrograms())].filter(([id]) => {
        const terminal = terminals.find(id);
        return terminal !== undefined && matches(terminal);
      });
      return { programs: Object.fromEntries(found) };
    },
    killByManager: async ({ managedBy, isExact }, call) => ({
      killed: await sessionsOf(call).killSessionsByManager(required(managedBy, 'managed_by'), {
        exact: isExact,
      }),
    }),
    listManagers: (_request, { principal }) => {
      const counts = new Map<string, number>();
      for (const { state, managedBy } of terminals.list()) {
        if (state === 'exited' || managedBy === null || !mayTouch(principal, managedBy)) continue;
        counts.set(managedBy, (counts.get(managedBy) ?? 0) + 1);
      }
      return { managers: [...counts].map(([id, count]) => ({ id, terminals: count })) };
    },
    attachTerminal: (requests, call) => attachTerminal(terminals, find, requests, call),
    watchTerminals: (request, call) =>
      watchTerminals(orchestrator, request, matcher(request.filter, call), call),
  });
}

function matches(filter: TerminalFilter, { sessionId, managedBy, state }: Terminal): boolean {
  return (
    (filter.sessionId === '' || filter.sessionId === sessionId) &&
    (filter.managedBy === '' || isOwnedBy(managedBy, filter.managedBy, { exact: filter.isExact })) &&
    (!filter.isLive || state !== 'exited')
  );
}

function unmeasured(id: string): OrchestratorError {
  return new OrchestratorError(
    'FAILED_PRECONDITION',
    'terminal_ended',
    `Nothing can be measured in terminal ${id}: it does not run, or this machine does not tell.`,
  );
}
