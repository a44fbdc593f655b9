import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** Which state directory a command works on: the option, $ORCHESTRATOR_STATE_DIR, or the user's default. Absolute. */
export function stateDirOf(
  option: string | undefined,
  env: Readonly<Record<string, string | undefined>> = process.env,
): string {
  const chosen = nonEmpty(option) ?? nonEmpty(env['ORCHESTRATOR_STATE_DIR']);
  if (chosen !== undefined) return resolve(chosen);
  // The XDG rules: a relative path in the variable is to be ignored.
  const xdg = nonEmpty(env['XDG_STATE_HOME']);
  const base = xdg?.startsWith('/') === true ? xdg : join(homedir(), '.local', 'state');
  return join(base, 'orchestration-workbench');
}

/** The files of a state directory that the command line works with. */
export function statePaths(stateDir: string): {
  readonly database: string;
  readonly lock: string;
  /** Providers of language models, as their owner sets them up. */
  readonly models: string;
  /** Start-up files of interactive shells. */
  readonly shell: string;
  /** MCP servers, as the user writes them. */
  readonly tools: string;
  /** What was signed in to, 0600. */
  readonly secrets: string;
} {
  return {
    database: join(stateDir, 'orchestrator.db'),
    lock: join(stateDir, 'core.lock'),
    models: join(stateDir, 'models.json'),
    shell: join(stateDir, 'shell'),
    tools: join(stateDir, 'tools.json'),
    secrets: join(stateDir, 'tool-secrets.json'),
  };
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === undefined || text === '' ? undefined : text;
}
