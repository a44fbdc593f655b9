import * as vscode from 'vscode';
import { type LanguageModelToolName, languageModelToolNames as names } from '../contributions/ids.ts';

/** As much of a task as a question shows. */
const longestTask = 2_000;

/** What a person is asked before a tool does something, and what is shown meanwhile. Nothing is done, nor loaded, for it. */
export function prepareTool(
  name: LanguageModelToolName,
  input: Readonly<Record<string, unknown>>,
): vscode.PreparedToolInvocation {
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

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function shortened(text: string): string {
  return text.length <= longestTask
    ? text
    : `${text.slice(0, longestTask)}\n… ${text.length - longestTask} more characters`;
}
