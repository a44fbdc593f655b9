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
    ...lastConversation(store, run),
    timeoutMs: request.timeoutMs ?? null,
    platform: environment.platform,
  };
  return { kind: codingAgentWorkerKind, spec, env };
}

/** The conversation of the newest run before this one, of its session and with its engine, that has any. */
function lastConversation(
  store: Store,
  { id, sessionId, request }: Run,
): Pick<CodingAgentSpec, 'conversation' | 'usedBefore'> {
  let conversation: string | null = null;
  const usedBefore = { inputTokens: 0, outputTokens: 0 };
  for (let before = id; ; ) {
    const runs = store.listRuns({ limit: page, before, sessionId });
    for (const run of runs) {
      if (run.conversation === undefined || run.request.engine !== request.engine) continue;
      conversation ??= run.conversation;
      // An older one: what was used in it is of no concern.
      if (run.conversation !== conversation) return { conversation, usedBefore };
      usedBefore.inputTokens += run.usage?.inputTokens ?? 0;
      usedBefore.outputTokens += run.usage?.outputTokens ?? 0;
    }
    const last = runs.at(-1);
    if (last === undefined || runs.length < page) return { conversation, usedBefore };
    before = last.id;
  }
}
