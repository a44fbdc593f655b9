import type { CoreContext } from '../context.ts';
import type { StartWorkerOptions } from '../ports/processHost.ts';
import type { Store } from '../ports/store.ts';
import {
  agentSettings,
  type CodingAgent,
  type CodingAgentSpec,
  codingAgentWorkerKind,
  resolveAgentProgram,
} from './codingAgents.ts';
import type { Run } from './run.ts';

const page = 50;

/**
 * What the worker of a coding agent's run is started with; the program and the environment are those of now. Errors:
 * `program_missing`, and those of what it is allowed (`agentSettings`).
 */
export async function codingAgentWorker(
  run: Run,
  agent: CodingAgent,
  { environment, limits, store }: Pick<CoreContext, 'environment' | 'limits' | 'store'>,
): Promise<Omit<StartWorkerOptions, 'id'>> {
  const { request } = run;
  const cwd = request.cwd ?? environment.defaultDirectory();
  const env = environment.childEnvironment(request.env, { isWhole: request.isEnvWhole });
  const spec: CodingAgentSpec = {
    runId: run.id,
    task: request.task,
    agent,
    program: await resolveAgentProgram(environment, agent, env, cwd),
    cwd,
    ...agentSettings(request, limits.allowsAgentBypass),
    conversation: lastConversation(store, run) ?? null,
    timeoutMs: request.timeoutMs ?? null,
    platform: environment.platform,
  };
  return { kind: codingAgentWorkerKind, spec, env };
}

/** The conversation of the newest run before this one, of its session and with its engine, that has any. */
function lastConversation(store: Store, { id, sessionId, request }: Run): string | undefined {
  for (let before = id; ; ) {
    const runs = store.listRuns({ limit: page, before, sessionId });
    const found = runs.find((run) => run.conversation !== undefined && run.request.engine === request.engine);
    if (found !== undefined) return found.conversation;
    const last = runs.at(-1);
    if (last === undefined || runs.length < page) return undefined;
    before = last.id;
  }
}
