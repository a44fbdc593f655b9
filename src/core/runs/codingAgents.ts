import { OrchestratorError } from '../../base/errors.ts';
import type { Environment } from '../ports/environment.ts';
import type { Session } from '../sessions/session.ts';
import { invalidRequest } from '../text.ts';
import type { RunRequest } from './run.ts';

/** The coding agents that runs can be carried out by, by engine: each is driven by its own command line. */
export const codingAgents = {
  'claude-code': {
    title: 'Claude Code',
    program: 'claude',
    install: 'npm install -g @anthropic-ai/claude-code',
  },
  codex: { title: 'Codex', program: 'codex', install: 'npm install -g @openai/codex' },
  gemini: { title: 'Gemini CLI', program: 'gemini', install: 'npm install -g @google/gemini-cli' },
  opencode: { title: 'opencode', program: 'opencode', install: 'npm install -g opencode-ai' },
} as const satisfies Readonly<
  Record<string, { readonly title: string; readonly program: string; readonly install: string }>
>;
export type CodingAgent = keyof typeof codingAgents;

/**
 * What an agent may do without anybody to ask: `default` refuses what it would ask a person for, `plan` changes nothing,
 * `acceptEdits` may change files, `bypassPermissions` may do all that its user may.
 */
export const agentPermissions = ['default', 'plan', 'acceptEdits', 'bypassPermissions'] as const;
export type AgentPermissions = (typeof agentPermissions)[number];

/** What the worker of kind `coding-agent` is started with. It is written down: the environment is not part of it. */
export interface CodingAgentSpec {
  readonly runId: string;
  readonly task: string;
  readonly agent: CodingAgent;
  /** Absolute path. */
  readonly program: string;
  readonly cwd: string;
  readonly permissions: AgentPermissions;
  /** The agent's own default where null. */
  readonly model: string | null;
  /** The agent's own session, to go on with; null for a new one. */
  readonly conversation: string | null;
  /** What earlier runs have told of that session: an agent may count over all of it. */
  readonly usedBefore: { readonly inputTokens: number; readonly outputTokens: number };
  readonly timeoutMs: number | null;
  readonly platform: string;
}

export const codingAgentWorkerKind = 'coding-agent';

/** The coding agent that is to carry a run out; undefined with every other engine. */
export function codingAgentOf({ engine }: RunRequest): CodingAgent | undefined {
  return isCodingAgent(engine) ? engine : undefined;
}

function isCodingAgent(name: string | undefined): name is CodingAgent {
  return name !== undefined && Object.hasOwn(codingAgents, name);
}

/** What carries a session's runs out where they do not say: that of its type. */
export function engineOfSession({ type }: Pick<Session, 'type'>): string {
  return type;
}

/** What a run's metadata says to its agent: `permissionMode` and `model`; anything else is somebody else's. */
export interface AgentSettings {
  readonly permissions: AgentPermissions;
  readonly model: string | null;
}

/** Not what a program could take for an option, nor for anything but a name. */
const modelPattern = /^[A-Za-z0-9][\w.:/@[\]-]{0,199}$/;

/** Errors: `invalid_request`; `permission_denied` for `bypassPermissions` where the owner has not allowed it. */
export function agentSettings({ metadata = {} }: RunRequest, allowsBypass: boolean): AgentSettings {
  const { permissionMode = 'default', model } = metadata;
  const permissions = agentPermissions.find((mode) => mode === permissionMode);
  if (permissions === undefined) {
    throw invalidRequest(
      `There is no permission mode ${JSON.stringify(permissionMode)}. There are ${agentPermissions.join(', ')}.`,
    );
  }
  if (permissions === 'bypassPermissions' && !allowsBypass) {
    throw new OrchestratorError(
      'PERMISSION_DENIED',
      'permission_denied',
      'This orchestrator lets no coding agent bypass its permissions. Use acceptEdits, or have its owner allow it.',
    );
  }
  if (model !== undefined && (typeof model !== 'string' || !modelPattern.test(model))) {
    throw invalidRequest('The model must be a name of at most 200 characters.');
  }
  return { permissions, model: model ?? null };
}

/** The absolute path of the agent's program. Error: `program_missing`, with how to install it. */
export async function resolveAgentProgram(
  environment: Environment,
  agent: CodingAgent,
  env: Readonly<Record<string, string>>,
  cwd: string,
): Promise<string> {
  const { title, program, install } = codingAgents[agent];
  const found = await environment.findProgram(program, env, cwd);
  if (found !== undefined) return found;
  throw new OrchestratorError(
    'FAILED_PRECONDITION',
    'program_missing',
    `${title} is not installed: "${program}" is not on the PATH. Install it with "${install}", sign in once by ` +
      `running "${program}", and try again.`,
    { details: { program, install } },
  );
}
