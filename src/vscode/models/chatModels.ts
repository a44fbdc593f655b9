import * as vscode from 'vscode';
import { OrchestratorError } from '../../base/errors.ts';
import type { ModelMessage, ModelPart, ModelPrompt } from '../../core/models/languageModel.ts';
import type { WindowModel, WindowModels } from '../../core/ports/models.ts';

/** VS Code's own models, as they are there for extensions; the person is asked before the first request. */
export const chatModels: WindowModels = {
  async open(name) {
    const models = await vscode.lm.selectChatModels();
    const model =
      name === undefined
        ? models[0]
        : models.find(({ id, family, name: title }) => [id, family, title].includes(name));
    if (model !== undefined) return windowModel(model);
    const known = [...new Set(models.map(({ id }) => id))].join(', ');
    throw new OrchestratorError(
      'NOT_FOUND',
      'model_not_found',
      models.length === 0
        ? 'VS Code has no language model for extensions. Install and sign in to one (such as GitHub Copilot), or choose another provider.'
        : `VS Code has no model "${name ?? ''}". It has ${known}.`,
    );
  },
};

type ChatPart = vscode.LanguageModelTextPart | vscode.LanguageModelToolCallPart;

function windowModel(model: vscode.LanguageModelChat): WindowModel {
  return {
    name: model.id,
    contextTokens: model.maxInputTokens,
    async *answer(prompt, signal) {
      const cancellation = new vscode.CancellationTokenSource();
      const cancel = (): void => cancellation.cancel();
      signal.addEventListener('abort', cancel, { once: true });
      try {
        const { stream } = await model.sendRequest(
          prompt.messages.map(messageOf),
          optionsOf(prompt),
          cancellation.token,
        );
        yield* partsOf(stream);
      } catch (error) {
        signal.throwIfAborted();
        throw failureOf(error, model);
      } finally {
        signal.removeEventListener('abort', cancel);
        cancellation.cancel();
        cancellation.dispose();
      }
    },
  };
}

function optionsOf({ tools, maxOutputTokens }: ModelPrompt): vscode.LanguageModelChatRequestOptions {
  return {
    justification: 'To carry out a task that you have started in the Orchestrator.',
    tools: tools.map(({ name, description, inputSchema }) => ({ name, description, inputSchema })),
    ...(maxOutputTokens === undefined ? {} : { modelOptions: { max_tokens: maxOutputTokens } }),
  };
}

/** There is no role for a system: it speaks as the user, first. */
function messageOf(message: ModelMessage): vscode.LanguageModelChatMessage {
  switch (message.role) {
    case 'system':
    case 'user':
      return vscode.LanguageModelChatMessage.User(message.text);
    case 'tool':
      return vscode.LanguageModelChatMessage.User(
        message.results.map(
          ({ callId, text }) =>
            new vscode.LanguageModelToolResultPart(callId, [new vscode.LanguageModelTextPart(text)]),
        ),
      );
    case 'assistant':
      return vscode.LanguageModelChatMessage.Assistant(
        message.content.flatMap((part): ChatPart[] => {
          if (part.kind === 'text') return [new vscode.LanguageModelTextPart(part.text)];
          if (part.kind === 'reasoning') return [];
          return [new vscode.LanguageModelToolCallPart(part.id, part.name, inputOf(part.arguments))];
        }),
      );
  }
}

function inputOf(written: string): object {
  try {
    const value: unknown = JSON.parse(written);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

async function* partsOf(stream: AsyncIterable<unknown>): AsyncGenerator<ModelPart, void, undefined> {
  let hasCalled = false;
  for await (const part of stream) {
    if (part instanceof vscode.LanguageModelTextPart) {
      yield { kind: 'text', text: part.value };
    } else if (part instanceof vscode.LanguageModelToolCallPart) {
      hasCalled = true;
      yield { kind: 'call', id: part.callId, name: part.name, arguments: JSON.stringify(part.input) };
    }
  }
  // It counts no tokens.
  yield { kind: 'end', reason: hasCalled ? 'tool_calls' : 'stop', usage: undefined };
}

function failureOf(error: unknown, { name }: vscode.LanguageModelChat): OrchestratorError {
  const said = OrchestratorError.from(error).message;
  const code = error instanceof vscode.LanguageModelError ? error.code : '';
  switch (code) {
    case vscode.LanguageModelError.NoPermissions().code:
      return new OrchestratorError(
        'FAILED_PRECONDITION',
        'model_key_refused',
        `You have not allowed the Orchestrator to use ${name}. Run the task again and allow it, or change it under "Manage Language Model Access" of the extension. ${said}`,
        { cause: error },
      );
    case vscode.LanguageModelError.Blocked().code:
      return new OrchestratorError(
        'FAILED_PRECONDITION',
        'model_rejected',
        `${name} was not asked: VS Code has blocked the request, such as over a quota. ${said}`,
        { cause: error },
      );
    case vscode.LanguageModelError.NotFound().code:
      return new OrchestratorError('NOT_FOUND', 'model_not_found', `${name} is not there any more. ${said}`, {
        cause: error,
      });
    default:
      return new OrchestratorError('UNAVAILABLE', 'model_unavailable', `${name} did not answer: ${said}`, {
        cause: error,
      });
  }
}
