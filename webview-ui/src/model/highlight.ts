/** Code in colours: a tokenizer for the few things that all common languages have. It never fails; at worst it is plain. */

export type TokenKind = 'plain' | 'comment' | 'string' | 'number' | 'keyword';
export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
}

interface Language {
  readonly comment: string;
  readonly strings: string;
  readonly keywords: ReadonlySet<string>;
}

const words = (text: string): ReadonlySet<string> => new Set(text.split(' '));
const cStrings = '"(?:[^"\\\\\\n]|\\\\.)*"?|\'(?:[^\'\\\\\\n]|\\\\.)*\'?';
const script: Language = {
  comment: '//[^\\n]*|/\\*[^]*?(?:\\*/|$)',
  strings: `${cStrings}|\`(?:[^\`\\\\]|\\\\.)*\`?`,
  keywords: words(
    'abstract as async await break case catch class const continue default delete do else enum export extends false finally for from function get if implements import in instanceof interface let new null of private protected public readonly return set static super switch this throw true try type typeof undefined var void while yield',
  ),
};
const python: Language = {
  comment: '#[^\\n]*',
  strings: `"""[^]*?(?:"""|$)|'''[^]*?(?:'''|$)|${cStrings}`,
  keywords: words(
    'and as assert async await break class continue def del elif else except False finally for from global if import in is lambda None nonlocal not or pass raise return True try while with yield',
  ),
};
const shell: Language = {
  comment: '#[^\\n]*',
  strings: '"(?:[^"\\\\]|\\\\.)*"?|\'[^\']*\'?',
  keywords: words(
    'case do done elif else esac export fi for function if in local return set then unset while',
  ),
};
const compiled: Language = {
  comment: script.comment,
  strings: cStrings,
  keywords: words(
    'auto bool break case char class const continue default defer delete do double else enum extern false final float fn for func go if impl import int interface let long loop match mod mut namespace new nil null nullptr override package private protected pub public return self short sizeof static struct super switch template this throw trait true try type typedef union unsafe unsigned use using var virtual void where while',
  ),
};
const data: Language = { comment: '#[^\\n]*', strings: cStrings, keywords: words('true false null yes no') };

const languages: Readonly<Record<string, Language>> = {
  js: script,
  jsx: script,
  javascript: script,
  ts: script,
  tsx: script,
  typescript: script,
  json: { ...data, comment: '(?!)' },
  py: python,
  python,
  sh: shell,
  bash: shell,
  shell,
  zsh: shell,
  console: shell,
  c: compiled,
  cpp: compiled,
  java: compiled,
  go: compiled,
  rust: compiled,
  rs: compiled,
  kotlin: compiled,
  swift: compiled,
  csharp: compiled,
  yaml: data,
  yml: data,
  toml: data,
};

/** Longer code is shown plain: colours are not worth the wait. */
const mostChars = 100_000;
const patterns = new Map<Language, RegExp>();

/** The tokens of a code, in order; together they are the code. */
export function highlight(code: string, language: string): Token[] {
  const known = languages[language.trim().toLowerCase().split(/\s/)[0] ?? ''];
  if (known === undefined || code.length > mostChars) return [{ kind: 'plain', text: code }];
  let pattern = patterns.get(known);
  if (pattern === undefined) {
    pattern = new RegExp(`(${known.comment})|(${known.strings})|\\b(\\d[\\w.]*)\\b|([A-Za-z_$][\\w$]*)`, 'g');
    patterns.set(known, pattern);
  }
  const tokens: Token[] = [];
  let at = 0;
  const add = (kind: TokenKind, text: string): void => {
    if (text !== '') tokens.push({ kind, text });
  };
  for (const match of code.matchAll(pattern)) {
    const [text, comment, string, number, word] = match;
    if (text === '' || (word !== undefined && !known.keywords.has(word))) continue;
    add('plain', code.slice(at, match.index));
    add(kindOf(comment, string, number), text);
    at = match.index + text.length;
  }
  add('plain', code.slice(at));
  return tokens;
}

function kindOf(comment?: string, string?: string, number?: string): TokenKind {
  if (comment !== undefined) return 'comment';
  if (string !== undefined) return 'string';
  return number === undefined ? 'keyword' : 'number';
}
