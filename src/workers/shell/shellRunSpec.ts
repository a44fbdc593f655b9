import { OrchestratorError } from '../../base/errors.ts';
import type { ShellRunSpec } from '../../core/runs/runEvents.ts';

/**
 * The spec that a worker was started with, checked: it was written by a core that may be of another version.
 * @throws OrchestratorError `protocol_violation`
 */
export function parseShellRunSpec(value: unknown): ShellRunSpec {
  const spec = isRecord(value) ? value : {};
  const check = (name: keyof ShellRunSpec, isValid: boolean): void => {
    if (isValid) return;
    throw new OrchestratorError(
      'INVALID_ARGUMENT',
      'protocol_violation',
      `The shell worker was started with a spec whose "${name}" is missing or wrong. Reload the window (or restart orchestrator serve), so that all parts are of one version.`,
    );
  };
  for (const name of ['runId', 'task', 'shell', 'cwd', 'platform'] as const) {
    check(name, typeof spec[name] === 'string');
  }
  const { commands, env, timeoutMs } = spec;
  check(
    'commands',
    Array.isArray(commands) &&
      commands.length > 0 &&
      commands.every((command) => typeof command === 'string'),
  );
  check('env', isRecord(env) && Object.values(env).every((entry) => typeof entry === 'string'));
  for (const name of ['cols', 'rows'] as const) check(name, Number.isInteger(spec[name]));
  check('timeoutMs', timeoutMs === null || typeof timeoutMs === 'number');
  return spec as unknown as ShellRunSpec;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
