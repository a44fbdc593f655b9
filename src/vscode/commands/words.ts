import { OrchestratorError } from '../../base/errors.ts';

/** The words of a command line, with quotes and backslashes as in a shell, and nothing else of one. Error: `invalid_request`. */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote: string | undefined;
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charAt(index);
    if (quote === undefined && /\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (character === quote) {
      quote = undefined;
    } else if (quote === undefined && (character === '"' || character === "'")) {
      quote = character;
      word ??= '';
    } else if (character === '\\' && quote !== "'" && index + 1 < text.length) {
      index += 1;
      word = (word ?? '') + text.charAt(index);
    } else {
      word = (word ?? '') + character;
    }
  }
  if (quote !== undefined) {
    throw new OrchestratorError('INVALID_ARGUMENT', 'invalid_request', `A quote (${quote}) is not closed.`);
  }
  return word === undefined ? words : [...words, word];
}
