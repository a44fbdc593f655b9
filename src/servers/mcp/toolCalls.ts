import { OrchestratorError, type ErrorReason } from '../../base/errors.ts';
import { invalidRequest } from '../../core/text.ts';
import { checkToolScope } from './caller.ts';
import { jsonBytes, visible } from './plainOutput.ts';
import type { ToolContext, WorkbenchTool } from './tool.ts';

/** The calls of one client: at most so many at a time. */
export class ToolCalls {
  private readonly limit: number;
  private running = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** How many there are now. */
  get count(): number {
    return this.running;
  }

  /**
   * Checks scope, room and arguments, calls the tool and checks the size of what it answers. Errors: those of the tool;
   * `permission_denied`, `invalid_request`, `queue_full`.
   */
  async call(tool: WorkbenchTool, args: unknown, context: ToolContext): Promise<Record<string, unknown>> {
    checkToolScope(context.caller, tool.scope);
    if (this.running >= this.limit) {
      throw new OrchestratorError(
        'RESOURCE_EXHAUSTED',
        'queue_full',
        `${this.limit} tools of this client are at work already. Wait until one of them has answered.`,
      );
    }
    this.running += 1;
    try {
      const result = await tool.run(argumentsOf(tool, args), context);
      if (jsonBytes(result) <= context.limits.resultBytes) return result;
      throw new OrchestratorError('INTERNAL', 'internal', `The result of ${tool.name} is too large.`);
    } finally {
      this.running -= 1;
    }
  }
}

/** What went wrong and what to do next, for a model. */
export function failureText(error: unknown): string {
  const { message, reason } = OrchestratorError.from(error);
  const next = advice[reason];
  return `${visible(message).slice(0, 4_000)} (${reason})${next === undefined ? '' : ` ${next}`}`;
}

/** Error: `invalid_request`, which names each argument that is wrong. */
function argumentsOf({ name, input }: WorkbenchTool, args: unknown): never {
  const parsed = input.safeParse(args ?? {});
  if (parsed.success) return parsed.data as never;
  const issues = parsed.error.issues.slice(0, 10).map(({ path, message }) => {
    const place = path.map(String).join('.');
    return place === '' ? message : `${place}: ${message}`;
  });
  throw invalidRequest(`The arguments of ${name} are wrong. ${issues.join('; ')}.`);
}

const advice: Readonly<Partial<Record<ErrorReason, string>>> = {
  session_not_found: 'list_sessions tells which there are.',
  session_closed: 'create_session makes a new one.',
  terminal_not_found: 'list_terminals tells which there are.',
  terminal_ended: 'Its output can still be read; start_terminal starts a new one.',
  terminal_unmarked: 'Use write_terminal and read_terminal in it.',
  terminal_limit: 'kill_terminal ends those that you do not need any more.',
  session_limit: 'close_session closes those that you do not need any more.',
  run_not_found: 'list_runs tells which there are.',
  container_not_found: 'list_containers tells which there are.',
  container_engine_missing: 'Tell the person: Docker or Podman has to run for containers.',
  directory_missing: 'Give an absolute path of a directory that exists.',
  program_missing: 'Tell the person that it has to be installed, or use another engine.',
  permission_denied: 'Do not try another way; ask the person.',
  closed: 'Call again: what was started goes on, and is found again.',
  workspace_untrusted: 'The person has to trust the workspace first.',
  state_in_use: 'The person has to close what uses it, or to start this elsewhere.',
};
