import { highlight } from '../model/highlight.ts';
import { looksLikeDiff } from '../model/toolSummary.ts';
import { visible } from '../model/visible.ts';

/** Code, a diff, or plain output in a box: text only. */
export function createCode(code: string, language: string): HTMLElement {
  const box = document.createElement('pre');
  box.className = 'code-box';
  box.tabIndex = 0;
  const text = visible(code);
  if (language === 'diff' || language === 'patch' || (language === '' && looksLikeDiff(text))) {
    box.classList.add('is-diff');
    for (const line of text.split('\n')) box.append(createDiffLine(line));
    return box;
  }
  box.dir = language === '' ? 'auto' : 'ltr';
  for (const { kind, text: part } of highlight(text, language)) {
    if (kind === 'plain') box.append(part);
    else {
      const element = document.createElement('span');
      element.className = `token-${kind}`;
      element.textContent = part;
      box.append(element);
    }
  }
  return box;
}

function createDiffLine(text: string): HTMLElement {
  const line = document.createElement('span');
  const isHead = text.startsWith('+++') || text.startsWith('---') || text.startsWith('diff ');
  const kind =
    isHead || text.startsWith('@@')
      ? 'head'
      : text.startsWith('+')
        ? 'added'
        : text.startsWith('-')
          ? 'removed'
          : 'same';
  line.className = `diff-line is-${kind}`;
  line.textContent = text === '' ? ' ' : text;
  return line;
}
