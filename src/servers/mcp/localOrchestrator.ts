import type { DrivenOrchestrator, DrivenTerminal } from '../../core/drivenOrchestrator.ts';
import type { Orchestrator } from '../../core/orchestrator.ts';
import { readStepOutput } from '../../core/runs/stepOutput.ts';
import type { Principal } from '../../core/terminals/owners.ts';
import type { Terminal } from '../../core/terminals/terminal.ts';
import type { TerminalSessions } from '../../core/terminals/terminalSessions.ts';

const pieceBytes = 1024 * 1024;

/** The core of this process, as tools drive it. */
export function localOrchestrator(orchestrator: Orchestrator): DrivenOrchestrator {
  const { sessions, terminals, runs, containers } = orchestrator;
  const sessionsOf = (by: Principal): TerminalSessions =>
    by === null ? orchestrator.terminalSessions : orchestrator.terminalSessions.asPrincipal(by);
  return {
    containers,
    listSessions: () => answer(() => sessions.list({ includeClosed: true })),
    createSession: (request) => sessions.create(request),
    closeSession: (id, reason) => sessions.close(id, reason),
    listTerminals: () => answer(() => terminals.list().map(seenTerminal)),
    getTerminal: (id) => answer(() => seenTerminal(terminals.get(id))),
    spawnTerminal: async (request) => seenTerminal(await terminals.spawn(request)),
    writeTerminal: (id, data, by) => terminals.write(id, data, by),
    killTerminal: (id, by) => terminals.kill(id, { by }),
    readTerminal: (id, from, to) => terminals.read(id, from, to),
    runCommand: async (id, command, { timeoutMs, signal, by }) => {
      const typist = sessionsOf(by);
      await typist.executeTerminalCommand(id, command);
      return typist.waitForCompletion(id, { timeoutMs, signal });
    },
    listRuns: (filter) => answer(() => runs.list(filter)),
    getRun: (id) => answer(() => runs.get(id)),
    startRun: (request) => runs.start(request),
    abortRun: (id) => runs.abort(id),
    waitForRun: async (id, signal) => {
      await runs.waitForEnd(id, signal);
    },
    readStepOutput: (id, step, skip) =>
      readStepOutput(orchestrator, runs.get(id), { step, skip, maxBytes: pieceBytes }),
  };
}

function seenTerminal({ marks: _, ...terminal }: Terminal): DrivenTerminal {
  return terminal;
}

/** What throws, fails as a promise does. */
// eslint-disable-next-line @typescript-eslint/require-await -- for that
async function answer<T>(read: () => T): Promise<T> {
  return read();
}
