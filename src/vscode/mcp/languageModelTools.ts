import * as vscode from 'vscode';
import { systemClock } from '../../base/clock.ts';
import type { CoreService } from '../core/coreService.ts';
import { type LanguageModelToolName, languageModelToolNames as names } from '../contributions/ids.ts';
import { grantedScopes } from './mcpDoor.ts';

type Input = Readonly<Record<string, unknown>>;

/** As much of a task as a question shows. */
const longestTask = 2_000;

/** What a person is asked before a tool does something, and what is shown meanwhile. Nothing is done for it. */
export function prepareTool(name: LanguageModelToolName, input: Input): vscode.PreparedToolInvocation {
  switch (name) {
    case names.runTask: {
      const { task, engine = 'shell', directory, session_id: session } = input;
      const place = textOf(directory ?? (session === undefined ? undefined : `session ${textOf(session)}`));
      const message = new vscode.MarkdownString();
      message.appendText(`By ${textOf(engine)}${place === '' ? '' : ` in ${place}`}:`);
      message.appendCodeblock(shortened(textOf(task)), engine === 'shell' ? 'shellscript' : 'text');
      return {
        invocationMessage: 'Running a task in the orchestrator',
        confirmationMessages: { title: 'Run this task?', message },
      };
    }
    case names.stop: {
      const [what, id] =
        Object.entries(input).find(([key, value]) => key.endsWith('_id') && value !== undefined) ?? [];
      const kind = what?.replace('_id', '') ?? 'nothing';
      const message = new vscode.MarkdownString();
      message.appendText(`The ${kind} ${textOf(id)} is ended, with everything that runs in it.`);
      return {
        invocationMessage: `Stopping a ${kind} of the orchestrator`,
        confirmationMessages: { title: `Stop this ${kind}?`, message },
      };
    }
    case names.readOutput:
      return { invocationMessage: 'Reading output of the orchestrator' };
    case names.listSessions:
      return { invocationMessage: 'Looking at the sessions of the orchestrator' };
  }
}

/** Errors: what the tool says is wrong, and what to do next. */
export async function invokeTool(
  core: CoreService,
  name: LanguageModelToolName,
  input: Input,
  token: vscode.CancellationToken,
): Promise<vscode.LanguageModelToolResult> {
  const [
    { callLanguageModelTool },
    { localCaller },
    { localOrchestrator },
    { defaultMcpLimits },
    { failureText },
  ] = await Promise.all([
    import('../../servers/mcp/languageModelTools.ts'),
    import('../../servers/mcp/caller.ts'),
    import('../../servers/mcp/localOrchestrator.ts'),
    import('../../servers/mcp/limits.ts'),
    import('../../servers/mcp/toolCalls.ts'),
  ]);
  const stop = new AbortController();
  const listening = token.onCancellationRequested(() => stop.abort());
  try {
    const result = await callLanguageModelTool(name, input, {
      orchestrator: localOrchestrator(await core.ensureReady()),
      defaultDirectory: undefined,
      caller: localCaller('vscode', grantedScopes),
      signal: stop.signal,
      report: undefined,
      clock: systemClock,
      // What a chat keeps in its context is paid for with each further request.
      limits: { ...defaultMcpLimits, textBytes: 16 * 1024 },
    });
    return new vscode.LanguageModelToolResult([new vscode.LanguageModelTextPart(JSON.stringify(result))]);
  } catch (error) {
    if (token.isCancellationRequested) throw new vscode.CancellationError();
    throw new Error(failureText(error), { cause: error });
  } finally {
    listening.dispose();
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function shortened(text: string): string {
  return text.length <= longestTask
    ? text
    : `${text.slice(0, longestTask)}\n… ${text.length - longestTask} more characters`;
}
