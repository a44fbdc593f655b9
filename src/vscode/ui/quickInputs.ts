import * as vscode from 'vscode';

/** Questions that are steps of a longer one: with VS Code's back button, and kept when the focus goes elsewhere. */

/** The person wants to go one step back. */
export const back = Symbol('back');
/** Undefined when the question was dismissed. */
export type Answer<T> = T | typeof back | undefined;

export interface TextQuestion {
  readonly title: string;
  readonly prompt: string;
  readonly value: string;
  readonly placeholder?: string;
  readonly validate?: (text: string) => string | undefined;
}

/** Asks for a text; what its check objects to cannot be accepted. */
export function askText(question: TextQuestion): Promise<Answer<string>> {
  const { title, prompt, value, placeholder, validate = () => undefined } = question;
  const box = vscode.window.createInputBox();
  Object.assign(box, { title, prompt, value, placeholder, ignoreFocusOut: true });
  box.buttons = [vscode.QuickInputButtons.Back];
  return settle(box, (resolve) => [
    box.onDidChangeValue((text) => (box.validationMessage = validate(text))),
    box.onDidAccept(() => {
      box.validationMessage = validate(box.value);
      if (box.validationMessage === undefined || box.validationMessage === '') resolve(box.value);
    }),
    box.onDidTriggerButton(() => resolve(back)),
  ]);
}

/** Shows a question and resolves with its first answer; hiding it is none. */
export async function settle<T>(
  input: vscode.QuickInput,
  listen: (resolve: (answer: Answer<T>) => void) => readonly vscode.Disposable[],
): Promise<Answer<T>> {
  const { promise, resolve } = Promise.withResolvers<Answer<T>>();
  const listeners = [...listen(resolve), input.onDidHide(() => resolve(undefined))];
  input.show();
  try {
    return await promise;
  } finally {
    for (const listener of listeners) listener.dispose();
    input.dispose();
  }
}
