import { setTimeout as delay } from 'node:timers/promises';
import { OrchestratorError } from '../../base/errors.ts';
import type { OrchestratorEvent } from '../../core/events/event.ts';
import type { EventQuery, OrchestratorAccess } from '../../core/orchestratorAccess.ts';
import { type OpenAccess, openAccess, withAccess } from '../access/openAccess.ts';
import type { CommandContext } from '../commandContext.ts';
import { exitCode } from '../exitCodes.ts';
import { dim } from '../output/dim.ts';
import { findThing } from '../findThing.ts';
import { shortIdsOf } from '../ids.ts';
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
  return withAccess(context, async (access) => {
    const { out, err, isJson, stateDir } = context;
    const { after, follows } = options;
    const stop = new AbortController();
    out.onDidClose(() => stop.abort());
    const [sessionId, runId, shortIds] = await Promise.all([
      options.session === undefined ? undefined : findSession(access, stateDir, options.session),
      options.run === undefined ? undefined : findRun(access, stateDir, options.run),
      isJson ? new Map<string, string>() : shortIdsOf(access),
    ]);
    const query = { after, follows, sessionId, runId, signal: stop.signal };
    let count = 0;
    const print = async (): Promise<void> => {
      for await (const event of lastingEvents(context, access, query)) {
        count++;
        await (isJson ? out.writeJson(event) : out.writeLine(formatEvent(event, shortIds, out.isTty)));
      }
    };
    await untilStopped(stop, print());
    if (count === 0 && after === 0 && !follows) {
      await err.writeLine(
        `Nothing was started in ${stateDir} yet. Run something: orchestrator run -- COMMAND`,
      );
    }
    return exitCode.ok;
  });
}

const retryMs = 250;

/** Goes on after the last event that came, wherever the log is then, when the core that tells of it goes away. */
async function* lastingEvents(
  context: CommandContext,
  access: OrchestratorAccess,
  query: EventQuery,
): AsyncGenerator<OrchestratorEvent, void, undefined> {
  const { signal } = query;
  let { after } = query;
  let current = access;
  let reopened: OpenAccess | undefined;
  try {
    for (;;) {
      try {
        for await (const event of current.readEvents({ ...query, after })) {
          yield event;
          after = event.sequence;
        }
        if (!query.follows || signal.aborted) return;
      } catch (error) {
        if (!query.follows || OrchestratorError.from(error).code !== 'UNAVAILABLE') throw error;
      }
      reopened?.dispose();
      reopened = undefined;
      await delay(retryMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      current = reopened = await openAccess(context);
    }
  } finally {
    reopened?.dispose();
  }
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

async function findSession(access: OrchestratorAccess, stateDir: string, idOrName: string): Promise<string> {
  const sessions = await access.listSessions();
  const matches = sessions.filter(
    ({ id, name }) => id.startsWith(idOrName.toLowerCase()) || name === idOrName,
  );
  const [first, second] = matches;
  if (first === undefined) {
    throw new OrchestratorError(
      'NOT_FOUND',
      'session_not_found',
      `There is no session ${idOrName} in ${stateDir}. See which there are: orchestrator ps --all`,
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

async function findRun(access: OrchestratorAccess, stateDir: string, id: string): Promise<string> {
  const found = await findThing(access, stateDir, id);
  if (found.kind === 'run') return found.id;
  throw new OrchestratorError(
    'NOT_FOUND',
    'run_not_found',
    `${found.id} is a terminal, not a run. See the runs: orchestrator ps --all`,
  );
}
