import { resolve } from 'node:path';
import type { ServingOrchestrator } from '../core/orchestratorAccess.ts';
import { isSessionOpen, type Session } from '../core/sessions/session.ts';

/** The open session of a directory (ours when missing), or a new one. */
export async function sessionOfDirectory(serving: ServingOrchestrator, directory = '.'): Promise<Session> {
  const cwd = resolve(directory);
  const open = (await serving.listSessions()).find(
    (session) => session.cwd === cwd && isSessionOpen(session),
  );
  return open ?? serving.createSession({ cwd });
}
