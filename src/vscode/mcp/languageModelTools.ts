import * as vscode from 'vscode';
import { systemClock } from '../../base/clock.ts';
import type { CoreService } from '../core/coreService.ts';
import type { LanguageModelToolName } from '../contributions/ids.ts';
import { grantedScopes } from './grantedScopes.ts';

type Input = Readonly<Record<string, unknown>>;

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
