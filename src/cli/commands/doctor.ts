import type { CommandContext } from '../commandContext.ts';
import { type Check, type CheckResult, checks } from '../doctorChecks.ts';
import { exitCode } from '../exitCodes.ts';
import { OrchestratorError } from '../../base/errors.ts';

/** Checks the installation and the state directory; changes nothing. Exit code 1 where something is wrong. */
export async function doctor(context: CommandContext): Promise<number> {
  const { out, isJson, stateDir } = context;
  const results: (CheckResult & { readonly name: string })[] = [];
  for (const [name, check] of Object.entries(checks)) {
    results.push({ name, ...(await carryOut(check, context)) });
  }
  const hasProblem = results.some(({ status }) => status === 'problem');
  if (isJson) {
    await out.writeJson({ ok: !hasProblem, stateDir, checks: results });
  } else {
    const signs = { ok: 'ok     ', warning: 'warning', problem: 'PROBLEM' };
    for (const { name, status, message, fix } of results) {
      await out.writeLine(`${colour(signs[status], status, out.isTty)}  ${name}: ${message}`);
      if (fix !== undefined) await out.writeLine(`         → ${fix}`);
    }
  }
  return hasProblem ? exitCode.error : exitCode.ok;
}

async function carryOut(check: Check, context: CommandContext): Promise<CheckResult> {
  try {
    return await check(context);
  } catch (error) {
    return { status: 'problem', message: OrchestratorError.from(error).message };
  }
}

function colour(text: string, status: CheckResult['status'], isTty: boolean): string {
  if (!isTty || (process.env['NO_COLOR'] ?? '') !== '') return text;
  return `\x1b[${{ ok: 32, warning: 33, problem: 31 }[status]}m${text}\x1b[0m`;
}
