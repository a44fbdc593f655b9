import { OrchestratorError } from '../../base/errors.ts';
import type { OrchestratorEvent } from '../../core/events/event.ts';
import type { CommandContext } from '../commandContext.ts';
import { exitCode } from '../exitCodes.ts';
import { dim } from '../output/dim.ts';
import { storedEvents } from '../storedEvents.ts';
import { type StateView, withStateView } from '../stateView.ts';
import { untilStopped } from '../untilStopped.ts';

export interface EventsOptions {
  /** Only events with a greater sequence. */
  readonly after: number;
  readonly follows: boolean;
  /** Id or name of a session, or the beginning of its id. */
  readonly session: string | undefined;
  /** A run, or the beginning of its id. */
  readonly run: string | undefined;
}

/** Prints the event log. */
export function printEvents(context: CommandContext, options: EventsOptions): Promise<number> {
  return withStateView(context, async (view) => {
    const { out, err, isJson } = context;
    const { store } = view;
    const stop = new AbortController();
    out.onDidClose(() => stop.abort());
    if (store === undefined) {
      await err.writeLine(
        `Nothing was started in ${view.stateDir} yet. Run something: orchestrator run -- COMMAND`,
      );
      return exitCode.ok;
    }
    const sessionId = options.session === undefined ? undefined : findSession(view, options.session);
    const runId = options.run === undefined ? undefined : findRun(view, options.run);
    const shortIds = isJson ? new Map<string, string>() : view.shortIds();
    const print = async (): Promise<void> => {
      const { after, follows } = options;
      for await (const event of storedEvents(store, {
        after,
        follows,
        sessionId,
        runId,
        signal: stop.signal,
      })) {
        await (isJson ? out.writeJson(event) : out.writeLine(formatEvent(event, shortIds, out.isTty)));
      }
    };
    await untilStopped(stop, print());
    return exitCode.ok;
  });
}

const maxDataLength = 160;

function formatEvent(
  event: OrchestratorEvent,
  shortIds: ReadonlyMap<string, string>,
  isTty: boolean,
): string {
  const subject = event.runId ?? event.terminalId ?? event.sessionId;
  const id = subject === undefined ? '' : (shortIds.get(subject) ?? subject.slice(0, 8));
  const data = JSON.stringify(event.data);
  const shown = data.length > maxDataLength ? `${data.slice(0, maxDataLength)}…` : data;
  const time = new Date(event.time).toISOString();
  return `${String(event.sequence).padStart(6)}  ${dim(time, isTty)}  ${event.type}  ${id}  ${dim(shown, isTty)}`;
}

function findSession(view: StateView, idOrName: string): string {
  const sessions = view.sessions();
  const matches = sessions.filter(
    ({ id, name }) => id.startsWith(idOrName.toLowerCase()) || name === idOrName,
  );
  const [first, second] = matches;
  if (first === undefined) {
    throw new OrchestratorError(
      'NOT_FOUND',
      'session_not_found',
      `There is no session ${idOrName} in ${view.stateDir}. See which there are: orchestrator ps --all`,
    );
  }
  if (second !== undefined) {
    throw new OrchestratorError(
      'INVALID_ARGUMENT',
      'invalid_request',
      `${idOrName} means ${matches.length} sessions. Give the whole id: ${matches.map(({ id }) => id).join(', ')}`,
    );
  }
  return first.id;
}

function findRun(view: StateView, id: string): string {
  const found = view.find(id);
  if (found.kind === 'run') return found.id;
  throw new OrchestratorError(
    'NOT_FOUND',
    'run_not_found',
    `${found.id} is a terminal, not a run. See the runs: orchestrator ps --all`,
  );
}
