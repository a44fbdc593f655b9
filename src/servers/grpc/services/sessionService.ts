import { given } from '../../../protocol/given.ts';
import type { Orchestrator } from '../../../core/orchestrator.ts';
import type { Session } from '../../../core/sessions/session.ts';
import { mayTouch, permissionDenied } from '../../../core/terminals/owners.ts';
import {
  SessionServiceDefinition,
  type WatchSessionsResponse,
} from '../../../protocol/gen/session/v1/session.ts';
import { type CallContext, implement, type ServiceImplementation } from '../rpcHandlers.ts';
import { sessionRecord, sessionTypeOf } from './sessionRecords.ts';
import { required } from './values.ts';

/** Sessions as the workbench has them. An agent changes only those that it, or one below it, owns; everyone may look. */
export function sessionService(orchestrator: Orchestrator): ServiceImplementation {
  const { sessions } = orchestrator;

  const find = (id: string): Session => sessions.get(required(id, 'session_id'));
  const findOwn = (id: string, { principal }: CallContext): Session => {
    const session = find(id);
    const owner = session.owner === 'user' ? null : session.owner;
    if (!mayTouch(principal, owner)) throw permissionDenied(principal, `session ${id}`);
    return session;
  };

  return implement(SessionServiceDefinition, {
    createSession: async ({ name, cwd, type, description, labels, image }, { principal }) => {
      const session = await sessions.create({
        name: given(name),
        cwd: given(cwd),
        type: sessionTypeOf(type),
        description,
        labels,
        image: given(image),
        owner: principal ?? undefined,
      });
      return { session: sessionRecord(session) };
    },
    getSession: ({ sessionId }) => ({ session: sessionRecord(find(sessionId)) }),
    listSessions: ({ includesClosed }) => ({
      sessions: sessions.list({ includeClosed: includesClosed }).map(sessionRecord),
    }),
    renameSession: async ({ sessionId, name }, call) => ({
      session: sessionRecord(await sessions.rename(findOwn(sessionId, call).id, name)),
    }),
    closeSession: async ({ sessionId, reason }, call) => {
      const { id } = findOwn(sessionId, call);
      await sessions.close(id, given(reason));
      return { session: sessionRecord(sessions.get(id)) };
    },
    watchSessions: (_request, call) => watchSessions(orchestrator, call),
  });
}

/** All of them, then each one that changes, as it stands when the client comes to read of it. */
async function* watchSessions(
  { events, sessions }: Orchestrator,
  { signal }: CallContext,
): AsyncGenerator<WatchSessionsResponse, void, undefined> {
  const sequence = events.lastSequence;
  const all = sessions.list({ includeClosed: true }).map(sessionRecord);
  yield { payload: { $case: 'snapshot', value: { sequence, sessions: all } } };
  for await (const { type, sessionId } of events.follow({ after: sequence, signal })) {
    if (sessionId === undefined || !type.startsWith('session.')) continue;
    const session = sessions.find(sessionId);
    if (session !== undefined) yield { payload: { $case: 'changed', value: sessionRecord(session) } };
  }
}
