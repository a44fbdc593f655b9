import { quotePosix } from '../workers/shell/quotePosix.ts';

/**
 * The words of a command as one line of a POSIX shell that runs exactly them. A word that needs no quotes gets none, so
 * that what is shown reads like what was typed.
 */
export function commandLineOf(words: readonly string[]): string {
  return words.map((word) => (isPlain(word) ? word : quotePosix(word))).join(' ');
}

/** Of the shells that we know; where a command is expected, one of them is none unless it is quoted. */
const reserved = new Set(
  'case do done elif else esac fi for function if in select then time until while coproc'.split(' '),
);

function isPlain(word: string): boolean {
  // `A=b` in front would set a variable instead of naming a program.
  return /^[\w@%+=:,./-]+$/.test(word) && !/^\w+=/.test(word) && !reserved.has(word);
}
