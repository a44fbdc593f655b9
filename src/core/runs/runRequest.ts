import { OrchestratorError } from '../../base/errors.ts';
import { containerParts } from '../containers/containerContext.ts';
import type { ContainerManager } from '../containers/containerManager.ts';
import type { CoreContext } from '../context.ts';
import { checkDirectory, resolveShell } from '../environmentChecks.ts';
import type { Session } from '../sessions/session.ts';
import type { SessionManager } from '../sessions/sessionManager.ts';
import { checkRequestKey } from '../requestKeys.ts';
import { checkInteger, invalidRequest, nameLimit } from '../text.ts';
import { backendNameOf } from './backendRuns.ts';
import {
  agentSettings,
  codingAgentOf,
  codingAgents,
  engineOfSession,
  resolveAgentProgram,
} from './codingAgents.ts';
import { containerEngine } from './containerRunEvents.ts';
import { resolveModelRequest } from './modelRuns.ts';
import { modelEngine } from './modelRunSpec.ts';
import { parseTask } from './parseTask.ts';
import { agentNameOf, type RunRequest } from './run.ts';
import { checkModelRequest, checkPlainJson, checkToolConstraints } from './requestParts.ts';
import { priorities } from './runQueue.ts';

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
 * `invalid_request`, `session_not_found`, `session_closed`, `directory_missing`, `shell_missing`, `program_missing`,
 * `permission_denied`, `agent_not_found`, `container_engine_missing`, those of models, `disk_full` (where the session has to be made).
 */
export async function checkRunRequest(
  request: RunRequest,
  context: CoreContext,
  sessions: SessionManager,
  containers: Pick<ContainerManager, 'ready'> | undefined,
): Promise<CheckedRun> {
  const { environment } = context;
  checkRunFields(request);
  const named = request.sessionId === undefined ? undefined : sessions.getOpen(request.sessionId);
  const engine = request.engine ?? (named === undefined ? 'shell' : engineOfSession(named));
  const agentName = agentNameOf({ ...request, engine });
  const codingAgent = codingAgentOf({ ...request, engine });
  const isModel = engine === modelEngine;
  const backendName = backendNameOf({ engine });
  if (backendName !== undefined) {
    const { backends } = context;
    if (backends === undefined) throw unknownEngine(engine);
    backends.check(backendName);
    const commands = commandsOf(request, true);
    const { id } = named ?? (await sessions.ensureDefault(environment.defaultDirectory()));
    return { session: sessions.getOpen(id), request: { ...request, engine, sessionId: id }, commands };
  }
  const isKnown = agentName !== undefined || codingAgent !== undefined || engine === containerEngine;
  if (!isKnown && !isModel && engine !== 'shell') throw unknownEngine(engine);
  const commands = commandsOf(request, engine !== 'shell');
  const cwd = request.cwd ?? named?.cwd ?? environment.defaultDirectory();
  const finish = async (directory: string, found: Partial<RunRequest>): Promise<CheckedRun> => {
    const { id } = named ?? (await sessions.ensureDefault(directory));
    // It may have been closed while we looked at the disk.
    return { session: sessions.getOpen(id), request: { ...request, ...found, sessionId: id }, commands };
  };
  if (engine === containerEngine) {
    checkImage(request, named);
    if (containers === undefined) containerParts(context);
    await containers?.ready();
    return finish(cwd, { engine, cwd });
  }
  if (agentName !== undefined) {
    checkAgent(context, agentName);
    // The agent may work on another machine: whether the directory is there, only it can tell.
    return finish(environment.defaultDirectory(), {});
  }
  await checkDirectory(environment, cwd);
  const env = environment.childEnvironment(request.env, { isWhole: request.isEnvWhole });
  if (isModel) return finish(cwd, { ...(await resolveModelRequest(request, named, context)), cwd });
  if (codingAgent !== undefined) {
    agentSettings(request, context.limits.allowsAgentBypass);
    await resolveAgentProgram(environment, codingAgent, env, cwd);
    return finish(cwd, { engine, cwd });
  }
  return finish(cwd, { cwd, shell: await resolveShell(environment, request.shell, env, cwd) });
}

/** Error: `invalid_request`. */
function checkImage({ metadata = {} }: RunRequest, session: Session | undefined): void {
  const image = metadata['image'] ?? session?.image;
  if (typeof image === 'string' && image !== '') return;
  throw invalidRequest(
    'There is no image to make the container of. Give the session one, or name it as "image" in the metadata of the task.',
  );
}

function unknownEngine(engine: string): OrchestratorError {
  return invalidRequest(
    `There is no engine "${engine}". Use "shell", "container", "model", ${Object.keys(codingAgents).join(', ')}, or "agent:" and the ` +
      "agent's name.",
  );
}

/** What can be wrong whatever carries it out. Error: `invalid_request`. */
function checkRunFields(request: RunRequest): void {
  const { cols, rows, timeoutMs, priority, idempotencyKey, taskType } = request;
  const { metadata, hints, tools, model } = request;
  if (cols !== undefined) checkInteger(cols, 1, sizeLimit, 'The number of columns');
  if (rows !== undefined) checkInteger(rows, 1, sizeLimit, 'The number of rows');
  if (timeoutMs !== undefined) checkInteger(timeoutMs, 1, timeoutLimitMs, 'The time limit in milliseconds');
  if (priority !== undefined && !Object.hasOwn(priorities, priority)) {
    throw invalidRequest(
      `There is no priority "${priority}". There are ${Object.keys(priorities).join(', ')}.`,
    );
  }
  checkRequestKey(idempotencyKey);
  if (taskType !== undefined && taskType.length > nameLimit) {
    throw invalidRequest(`The type of the task is too long: at most ${nameLimit} characters.`);
  }
  if (metadata !== undefined) checkPlainJson(metadata, 'The metadata of the task');
  if (hints !== undefined) checkPlainJson(hints, 'What is handed through to the engine');
  if (tools !== undefined) checkToolConstraints(tools);
  if (model !== undefined) checkModelRequest(model);
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
