import * as z from 'zod';
import { OrchestratorError } from '../../../base/errors.ts';
import type { Session } from '../../../core/sessions/session.ts';
import { mayTouch } from '../../../core/terminals/owners.ts';
import { checkOwned, ownerOfSession } from '../caller.ts';
import { visible } from '../plainOutput.ts';
import { driveTool, readTool, type ToolContext } from '../tool.ts';
import { fitRows, path, rowLimit, sessionId, shortened, timeText } from './shapes.ts';

const sessionRow = z.object({
  session_id: z.string(),
  name: z.string(),
  owner: z.string().describe('"user" for a person, else whoever made it'),
  is_yours: z.boolean().describe('Whether you may close it'),
  type: z.string(),
  state: z.enum(['initializing', 'active', 'idle', 'closing', 'closed']),
  directory: z.string(),
  last_active_at: z.string().nullable(),
});

export const listSessions = readTool({
  name: 'list_sessions',
  title: 'List Sessions',
  description:
    'Lists the sessions of the workbench, the most recently used first. A session is a long-lived place with a directory; ' +
    'terminals, runs and containers belong to one.',
  input: z.object({
    include_closed: z.boolean().default(false).describe('Those that are closed too'),
    limit: rowLimit,
  }),
  output: z.object({ sessions: z.array(sessionRow), truncated: z.boolean() }),
  async run({ include_closed, limit }, call) {
    const all = await call.orchestrator.listSessions();
    const found = all
      .filter(({ state }) => include_closed || state !== 'closed')
      .toSorted((a, b) => b.lastActiveAt - a.lastActiveAt)
      .map((session) => rowOf(session, call));
    const { rows, truncated } = fitRows(found, limit, call.limits);
    return { sessions: [...rows], truncated };
  },
});

export const createSession = driveTool({
  name: 'create_session',
  title: 'Create Session',
  description:
    'Creates a session of your own for a directory and returns it. Use it to keep your terminals and runs apart from ' +
    'those of others; close it with close_session when you are done. run_task and start_terminal also work without one.',
  input: z.object({
    name: z.string().trim().min(1).max(120).optional().describe("The directory's name when missing"),
    directory: path.optional().describe('Absolute path where its terminals and runs start'),
    type: z
      .enum(['shell', 'container', 'claude-code', 'codex', 'gemini', 'opencode'])
      .default('shell')
      .describe('What carries out its runs unless a run says otherwise'),
    image: z.string().min(1).max(1_000).optional().describe('With type "container": the image of its runs'),
  }),
  output: sessionRow,
  hints: { destructiveHint: false, openWorldHint: false },
  async run({ name, directory, type, image }, call) {
    const { orchestrator, caller, defaultDirectory } = call;
    const cwd = directory ?? defaultDirectory;
    const session = await orchestrator.createSession({ name, cwd, type, image, owner: caller.owner });
    return rowOf(session, call);
  },
});

export const closeSession = driveTool({
  name: 'close_session',
  title: 'Close Session',
  description:
    'Closes a session: aborts its runs and ends its terminals and containers, with all that runs in them. History and ' +
    'output stay readable. Only sessions that you made (is_yours), unless your connection has the scope admin.',
  input: z.object({
    session_id: sessionId,
    reason: z.string().max(200).default('').describe('Kept with the session, for people'),
  }),
  output: sessionRow,
  hints: { idempotentHint: true, openWorldHint: false },
  async run({ session_id, reason }, call) {
    const { orchestrator, caller } = call;
    const session = await findSession(session_id, call);
    checkOwned(caller, ownerOfSession(session), `session ${session_id}`);
    await orchestrator.closeSession(session_id, reason);
    return rowOf(await findSession(session_id, call), call);
  },
});

/** Error: `session_not_found`. */
export async function findSession(id: string, { orchestrator }: ToolContext): Promise<Session> {
  const session = (await orchestrator.listSessions()).find((candidate) => candidate.id === id);
  if (session !== undefined) return session;
  throw new OrchestratorError('NOT_FOUND', 'session_not_found', `There is no session ${id}.`);
}

function rowOf(session: Session, { caller }: ToolContext): z.output<typeof sessionRow> {
  const { id, name, owner, type, state, cwd, lastActiveAt } = session;
  return {
    session_id: id,
    name: visible(name),
    owner: visible(owner),
    is_yours: mayTouch(caller.principal, ownerOfSession(session)),
    type,
    state,
    directory: shortened(visible(cwd), 1_000),
    last_active_at: timeText(lastActiveAt),
  };
}
