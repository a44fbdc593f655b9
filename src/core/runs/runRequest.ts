import { OrchestratorError } from '../../base/errors.ts';
import type { CoreContext } from '../context.ts';
import { checkDirectory, resolveShell } from '../environmentChecks.ts';
import type { Session } from '../sessions/session.ts';
import type { SessionManager } from '../sessions/sessionManager.ts';
import { checkInteger, invalidRequest } from '../text.ts';
import { parseTask } from './parseTask.ts';
import { agentNameOf, type RunRequest } from './run.ts';

const taskLimit = 100_000;
/** Every event of a run stores the run with all its steps. */
const stepLimit = 1_000;
const sizeLimit = 1_000;
/** The longest that a timer can wait: 24.8 days. */
const timeoutLimitMs = 2 ** 31 - 1;

export interface CheckedRun {
  readonly session: Session;
  /** With session, directory and shell (absolute path) filled in. */
  readonly request: RunRequest;
  readonly commands: readonly string[];
}

/**
 * Checks everything that can be known to be wrong before a run is written down. Errors: `task_empty`,
 * `invalid_request`, `session_not_found`, `session_closed`, `directory_missing`, `shell_missing`, `agent_not_found`, `disk_full` (where
 * the session has to be made).
 */
export async function checkRunRequest(
  request: RunRequest,
  context: CoreContext,
  sessions: SessionManager,
): Promise<CheckedRun> {
  const { environment } = context;
  const agentName = agentNameOf(request);
  if (agentName === undefined && request.engine !== undefined && request.engine !== 'shell') {
    throw invalidRequest(
      `There is no engine "${request.engine}". Use "shell", or "agent:" and the agent's name.`,
    );
  }
  const commands = commandsOf(request, agentName !== undefined);
  if (request.cols !== undefined) checkInteger(request.cols, 1, sizeLimit, 'The number of columns');
  if (request.rows !== undefined) checkInteger(request.rows, 1, sizeLimit, 'The number of rows');
  if (request.timeoutMs !== undefined) {
    checkInteger(request.timeoutMs, 1, timeoutLimitMs, 'The time limit in milliseconds');
  }
  const named = request.sessionId === undefined ? undefined : sessions.getOpen(request.sessionId);
  const cwd = request.cwd ?? named?.cwd ?? environment.defaultDirectory();
  if (agentName !== undefined) {
    checkAgent(context, agentName);
    const session = named ?? (await sessions.ensureDefault(environment.defaultDirectory()));
    // The agent may work on another machine: whether the directory is there, only it can tell.
    return {
      session: sessions.getOpen(session.id),
      request: { ...request, sessionId: session.id },
      commands,
    };
  }
  await checkDirectory(environment, cwd);
  const shell = await resolveShell(
    environment,
    request.shell,
    environment.childEnvironment(request.env, { isWhole: request.isEnvWhole }),
    cwd,
  );
  const chosen = named ?? (await sessions.ensureDefault(cwd));
  // It may have been closed while we looked at the disk.
  const session = sessions.getOpen(chosen.id);
  return { session, request: { ...request, sessionId: session.id, cwd, shell }, commands };
}

/** Error: `agent_not_found`: what is given to nobody would wait for ever. */
function checkAgent({ state }: CoreContext, name: string): void {
  for (const agent of state.agents.values()) if (agent.name === name) return;
  throw new OrchestratorError(
    'NOT_FOUND',
    'agent_not_found',
    `There is no agent "${name}". Start it, or choose another one.`,
    { details: { name } },
  );
}

function commandsOf(request: RunRequest, isWhole: boolean): readonly string[] {
  const { task } = request;
  if (task.length > taskLimit) {
    throw invalidRequest(
      `The task is too long: ${task.length} characters, and at most ${taskLimit} are taken. ` +
        'Put it into a script and run that.',
    );
  }
  if (task.includes('\0') || request.commands?.some((command) => command.includes('\0')) === true) {
    throw invalidRequest('The task contains a NUL character, which no shell can take. Remove it.');
  }
  const commands = isWhole ? [task] : (request.commands ?? parsedCommands(task));
  if (task.trim().length === 0 || commands.length === 0) {
    throw new OrchestratorError(
      'INVALID_ARGUMENT',
      'task_empty',
      'Type a command first: one a line, and each becomes a step.',
    );
  }
  if (commands.some((command) => command.trim().length === 0)) {
    throw invalidRequest('One of the commands is empty. Leave it out.');
  }
  if (commands.length > stepLimit) {
    throw invalidRequest(
      `The task has ${commands.length} commands, and at most ${stepLimit} are taken. Put them into a script.`,
    );
  }
  return commands;
}

function parsedCommands(task: string): readonly string[] {
  const { commands, unfinished } = parseTask(task);
  if (unfinished === undefined) return commands;
  throw invalidRequest(`Line ${unfinished.line} ${unfinished.what}.`);
}
